"""The event schema: fields that roles name exist and fit, and no field contradicts itself."""

from collections.abc import Iterator

from streamapp.config.problems import Path, suggestion
from streamapp.config.rules.broken import Broken
from streamapp.config.settings import EventSettings, FieldSettings, PipelineSettings

_IDS = ("string", "int32", "int64")
_KEYS = (*_IDS, "category")
_TIMES = ("timestamp", "int32", "int64", "float64")
_NUMBERS = ("int32", "int64", "float32", "float64")


def rules(settings: PipelineSettings) -> Iterator[Broken]:
    """Roles, format, and each field."""
    yield from _roles(settings)
    yield from _format(settings)
    for name, spec in settings.event.fields.items():
        path = ("event", "fields", name)
        yield from _misplaced(path, spec)
        yield from _bounds(path, spec)
        yield from _allowed(path, spec)


def _roles(settings: PipelineSettings) -> Iterator[Broken]:
    event = settings.event
    for role, name, dtypes in (
        ("id", event.id, _IDS),
        ("time", event.time, _TIMES),
        ("routing_key", event.routing_key, _KEYS),
    ):
        if name is None:
            continue
        spec = event.fields.get(name)
        if spec is None and _is_header(role, name, event):
            continue
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


def _is_header(role: str, name: str, event: EventSettings) -> bool:
    """Whether a CloudEvents header stands in for the field."""
    if role == "routing_key":
        return name == event.id == "ce_id"
    return name == {"id": "ce_id", "time": "ce_time"}[role]


def _format(settings: PipelineSettings) -> Iterator[Broken]:
    source = settings.source
    if source.format == "avro" and source.schema_file is None:
        yield Broken(("source", "format"), "avro needs a schema", "add `schema_file: events.avsc` under source")
    if source.format != "avro" and source.schema_file is not None:
        yield Broken(
            ("source", "schema_file"), f"has no effect with format {source.format}", "set format: avro, or remove it"
        )
    if settings.predictions.include_event and "avro" in (source.format, settings.predictions.format):
        yield Broken(
            ("predictions", "include_event"), "needs JSON events and JSON predictions", "remove it, or use format: json"
        )


def _misplaced(path: Path, spec: FieldSettings) -> Iterator[Broken]:
    """Keys that mean nothing for the dtype."""
    dtype, vector = spec.dtype, spec.dtype.endswith("]")
    for name, applies, why in (
        ("ge", vector or dtype in _NUMBERS, "has no range"),
        ("gt", vector or dtype in _NUMBERS, "has no range"),
        ("le", vector or dtype in _NUMBERS, "has no range"),
        ("lt", vector or dtype in _NUMBERS, "has no range"),
        ("min_length", dtype == "string", "has no length in characters"),
        ("max_length", dtype == "string", "has no length in characters"),
        ("allowed", dtype in (*_NUMBERS, "string", "category"), "has no list of values"),
        ("default", not vector and dtype != "timestamp", "takes no default"),
    ):
        if not applies and getattr(spec, name) is not None:
            yield Broken((*path, name), f"a {dtype} {why}", "remove it, or change the dtype")
    if spec.encoding != "auto" and not vector:
        yield Broken(
            (*path, "encoding"), f"a {dtype} has no encoding", "remove it; it is for vectors such as float32[8]"
        )
    if spec.default is not None and spec.required:
        yield Broken((*path, "default"), "a required field takes no default", "add `required: false`")


def _bounds(path: Path, spec: FieldSettings) -> Iterator[Broken]:
    low = [value for value in (spec.ge, spec.gt) if value is not None]
    high = [value for value in (spec.le, spec.lt) if value is not None]
    strict = spec.gt is not None or spec.lt is not None
    if low and high and (max(low) > min(high) or (strict and max(low) == min(high))):
        lower = "ge" if spec.ge is not None else "gt"
        yield Broken((*path, lower), "no value can satisfy these bounds", "exchange the lower and the upper bound")
    if spec.min_length is not None and spec.max_length is not None and spec.min_length > spec.max_length:
        yield Broken((*path, "min_length"), "is greater than max_length", "exchange the two")


def _allowed(path: Path, spec: FieldSettings) -> Iterator[Broken]:
    if spec.dtype == "category" and not spec.allowed:
        yield Broken(path, "a category needs its values", "add `allowed: [...]`; their order gives the codes 0, 1, …")
    if not spec.allowed:
        return
    if spec.dtype == "category" and {type(value) for value in spec.allowed} not in ({str}, {int}):
        yield Broken(
            (*path, "allowed"), "must be all text or all whole numbers", "quote text: a bare `true` or `1.5` is none"
        )
    if len(set(spec.allowed)) < len(spec.allowed):
        yield Broken((*path, "allowed"), "a value is given twice", "keep one")
    elif spec.default is not None and spec.default not in spec.allowed:
        yield Broken((*path, "default"), f"`{spec.default}` is not among the allowed values", "allow it, or change it")
