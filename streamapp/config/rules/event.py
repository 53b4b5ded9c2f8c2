"""The event schema: fields that roles name exist and fit, and no field contradicts itself."""

from collections.abc import Iterator

from streamapp.config.problems import Path, suggestion
from streamapp.config.rules.broken import Broken
from streamapp.config.settings import FieldSettings, PipelineSettings

_KEYS = ("string", "category", "int32", "int64")
_TIMES = ("timestamp", "int32", "int64", "float64")
_NUMBERS = ("int32", "int64", "float32", "float64")


def rules(settings: PipelineSettings) -> Iterator[Broken]:
    """Roles, format, and each field."""
    yield from _roles(settings)
    yield from _format(settings)
    for name, spec in settings.event.fields.items():
        path = ("event", "fields", name)
        yield from _presence(path, spec)
        yield from _bounds(path, spec)
        yield from _lengths(path, spec)
        yield from _allowed(path, spec)


def _roles(settings: PipelineSettings) -> Iterator[Broken]:
    event = settings.event
    for role, name, dtypes in (
        ("id", event.id, _KEYS),
        ("time", event.time, _TIMES),
        ("routing_key", event.routing_key, _KEYS),
    ):
        if name is None:
            continue
        spec = event.fields.get(name)
        if spec is None:
            yield Broken(("event", role), f"`{name}` is not a declared field", suggestion(name, event.fields))
        elif spec.dtype not in dtypes:
            yield Broken(
                ("event", role),
                f"`{name}` is {spec.dtype}, which cannot be the {role}",
                f"make it {' or '.join(dtypes)}",
            )
        elif role == "id" and not spec.required:
            yield Broken(("event", role), f"`{name}` is optional", "remove `required: false`: every event needs an id")


def _format(settings: PipelineSettings) -> Iterator[Broken]:
    source = settings.source
    if source.format == "avro" and source.schema_file is None:
        yield Broken(("source", "format"), "avro needs a schema", "add `schema_file: events.avsc` under source")
    if source.format != "avro" and source.schema_file is not None:
        yield Broken(
            ("source", "schema_file"), f"has no effect with format {source.format}", "set format: avro, or remove it"
        )


def _presence(path: Path, spec: FieldSettings) -> Iterator[Broken]:
    if spec.default is not None and spec.required:
        yield Broken((*path, "default"), "a required field takes no default", "add `required: false`")


def _bounds(path: Path, spec: FieldSettings) -> Iterator[Broken]:
    given = [name for name in ("ge", "gt", "le", "lt") if getattr(spec, name) is not None]
    if given and spec.dtype in ("string", "category", "bool"):
        yield Broken((*path, given[0]), f"a {spec.dtype} has no range", "remove it, or change the dtype")
        return
    low = [value for value in (spec.ge, spec.gt) if value is not None]
    high = [value for value in (spec.le, spec.lt) if value is not None]
    strict = spec.gt is not None or spec.lt is not None
    if low and high and (max(low) > min(high) or (strict and max(low) == min(high))):
        yield Broken((*path, given[0]), "no value can satisfy these bounds", "exchange the lower and the upper bound")


def _lengths(path: Path, spec: FieldSettings) -> Iterator[Broken]:
    given = [name for name in ("min_length", "max_length") if getattr(spec, name) is not None]
    if given and spec.dtype not in ("string", "category"):
        yield Broken((*path, given[0]), f"a {spec.dtype} has no length in characters", "remove it")
    elif spec.min_length is not None and spec.max_length is not None and spec.min_length > spec.max_length:
        yield Broken((*path, "min_length"), "is greater than max_length", "exchange the two")


def _allowed(path: Path, spec: FieldSettings) -> Iterator[Broken]:
    if spec.dtype == "category" and not spec.allowed:
        yield Broken(path, "a category needs its values", "add `allowed: [...]`; their order gives the codes 0, 1, …")
        return
    if spec.allowed is None:
        return
    fits = (int, float) if spec.dtype in _NUMBERS else bool if spec.dtype == "bool" else str
    for i, value in enumerate(spec.allowed):
        if not isinstance(value, fits) or (spec.dtype in _NUMBERS and isinstance(value, bool)):
            yield Broken((*path, "allowed", i), f"`{value}` is not a {spec.dtype}", "quote text, leave numbers bare")
    if len(set(spec.allowed)) < len(spec.allowed):
        yield Broken((*path, "allowed"), "a value is given twice", "keep one")
    elif spec.default is not None and spec.default not in spec.allowed:
        yield Broken((*path, "default"), f"`{spec.default}` is not among the allowed values", "allow it, or change it")
