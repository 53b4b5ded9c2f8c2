"""What the pipeline can give a model: event fields and features, each with dtype and width."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from streamapp.config.settings import EventSettings, FieldSettings
from streamapp.protocols import TensorSpec

Wanted = str | tuple[str, ...]
"""What one model input is filled from: a name, or names that become the columns of a matrix."""

_FIELD_DTYPES = {"string": "str", "category": "int32", "timestamp": "int64"}
_INTEGERS = frozenset({"int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"})
_FLOATS = frozenset({"float16", "float32", "float64"})


@dataclass(frozen=True, slots=True)
class Source:
    """One column or vector. dtype: NumPy's name or `str`; width: numbers per row; feature: its place among the
    block's features, None for an event field. nullable: an absent value arrives as NaN, so it is float64."""

    name: str
    dtype: str
    width: int = 1
    feature: int | None = None
    nullable: bool = False


@dataclass(frozen=True, slots=True)
class Supply:
    """What one model input is to be filled with, and what is wrong with it ("" if nothing)."""

    sources: tuple[Source, ...]
    text: str
    problem: str = ""

    @property
    def width(self) -> int:
        """Numbers (or strings) per row."""
        return sum(source.width for source in self.sources)


class Offer:
    """Every name that `inputs` may use."""

    def __init__(self, event: EventSettings, feature_names: Sequence[str]) -> None:
        self._sources: dict[str, Source] = {name: field_source(name, field) for name, field in event.fields.items()}
        self._sources.update({name: Source(name, "float32", 1, i) for i, name in enumerate(feature_names)})

    def supply(self, spec: TensorSpec, wanted: Wanted) -> Supply:
        """Match `wanted` with the model input `spec`."""
        names = (wanted,) if isinstance(wanted, str) else wanted
        unknown = [name for name in names if name not in self._sources]
        if unknown:
            return Supply((), ", ".join(names), self._unknown(unknown))
        sources = tuple(self._sources[name] for name in names)
        found = Supply(sources, _describe(sources))
        return Supply(sources, found.text, _dtype_problem(spec, sources) or _shape_problem(spec, found.width))

    def _unknown(self, names: Sequence[str]) -> str:
        near = get_close_matches(names[0], self._sources, n=1)
        hint = f"; nearest is `{near[0]}`" if near else ""
        return f"no event field or feature {', '.join(f'`{name}`' for name in names)}{hint}"


def field_source(name: str, field: FieldSettings) -> Source:
    """The column that `field` is decoded to."""
    if field.dtype.startswith("float32["):
        return Source(name, "float32", int(field.dtype[len("float32[") : -1]))
    dtype = _FIELD_DTYPES.get(field.dtype, field.dtype)
    nullable = not field.required and field.default is None and field.dtype not in ("string", "category")
    return Source(name, "float64" if nullable else dtype, nullable=nullable)


def declared_features(inputs: Mapping[str, Wanted]) -> tuple[str, ...]:
    """Every `view:feature` that `inputs` name, in order, once."""
    names = [name for wanted in inputs.values() for name in ((wanted,) if isinstance(wanted, str) else wanted)]
    return tuple(dict.fromkeys(name for name in names if ":" in name))


def _describe(sources: Sequence[Source]) -> str:
    width = sum(source.width for source in sources)
    dtypes = "/".join(dict.fromkeys(source.dtype for source in sources))
    shape = "[rows]" if len(sources) == 1 and width == 1 else f"[rows, {width}]"
    return f"{dtypes}{shape} from {', '.join(source.name for source in sources)}"


def _dtype_problem(spec: TensorSpec, sources: Sequence[Source]) -> str:
    for source in sources:
        if (spec.dtype == "str") != (source.dtype == "str"):
            return f"`{source.name}` is {source.dtype}, the model takes {spec.dtype}"
        if spec.dtype in _INTEGERS and source.dtype not in ("bool", "int32", "int64"):
            why = ", NaN where absent: make it required or give it a default" if source.nullable else ""
            return f"`{source.name}` is {source.dtype}{why}; the model takes {spec.dtype}"
        if spec.dtype == "bool" and source.dtype != "bool":
            return f"`{source.name}` is {source.dtype}, the model takes bool"
    if spec.dtype not in _INTEGERS | _FLOATS | {"bool", "str"}:
        return f"tensors of {spec.dtype} cannot be filled"
    return ""


def _shape_problem(spec: TensorSpec, width: int) -> str:
    if not spec.shape:
        return "the model's input has no row axis; export it with rows as a free first axis"
    trailing = spec.shape[1:]
    if not trailing:
        return "" if width == 1 else f"{width} columns for an input that takes one value per row"
    if len(trailing) == 1:
        return "" if trailing[0] in (None, width) else f"{width} columns, the model takes {trailing[0]}"
    if None in trailing:
        return "an input with more than one free axis cannot be filled"
    size = 1
    for dim in trailing:
        size *= dim or 1
    return "" if size == width else f"{width} numbers per row, the model takes {size}"
