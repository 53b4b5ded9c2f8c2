"""The rules as msgspec types, so that one typed decode enforces them at C speed."""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec

from streamapp.decode.schema import FLOATS, INTEGERS, EventSchema, FieldRule
from streamapp.decode.times import SCALES, earliest, latest

TypeOf = Callable[[FieldRule], Any]


def event_type(schema: EventSchema, type_of: TypeOf) -> type[msgspec.Struct]:
    """A struct with one attribute per rule, in order; an absent optional field is None."""
    attributes: list[tuple[str, Any] | tuple[str, Any, Any]] = [
        (f"f{i}", type_of(rule)) if rule.required else (f"f{i}", type_of(rule), None)
        for i, rule in enumerate(schema.rules)
    ]
    names = {f"f{i}": rule.name for i, rule in enumerate(schema.rules)}
    # gc=False: an event holds scalars only, and untracked objects spare the collector a pass over every batch.
    return msgspec.defstruct("Event", attributes, rename=names, gc=False, kw_only=True)


def scalar_type(schema: EventSchema, rule: FieldRule) -> Any:
    """The type of a field that is not a vector, null admitted where it is optional."""
    constrained = _constrained(schema, rule)
    return constrained if rule.required else constrained | None


def _constrained(schema: EventSchema, rule: FieldRule) -> Any:
    if rule.dtype == "bool":
        return bool
    if rule.dtype == "timestamp":
        return timestamp_type(rule.unit)
    if rule.dtype in {"string", "category"} or (rule.dtype in INTEGERS and rule.allowed):
        return Literal[rule.allowed] if rule.allowed else _text(schema, rule)
    return Annotated[float if rule.dtype in FLOATS else int, limits(rule)]


def _text(schema: EventSchema, rule: FieldRule) -> Any:
    is_id = schema.id_field is not None and schema.rules[schema.id_field] is rule
    return Annotated[str, msgspec.Meta(min_length=max(rule.min_length, int(is_id)), max_length=rule.max_length)]


def timestamp_type(unit: str) -> Any:
    """ISO 8601 text or a number in `unit`, within the years 1 to 9999."""
    scale = SCALES[unit]
    low, high = earliest(scale), latest(scale)
    whole = Annotated[int, msgspec.Meta(ge=low, le=high)]
    return whole | Annotated[float, msgspec.Meta(ge=float(low), le=float(high))] | datetime


def limits(rule: FieldRule) -> msgspec.Meta:
    """The bounds of a number."""
    bounds = rule.bounds
    constraints: dict[str, Any] = {}
    if bounds.low is not None:
        constraints["gt" if bounds.low_open else "ge"] = bounds.low
    if bounds.high is not None:
        constraints["lt" if bounds.high_open else "le"] = bounds.high
    meta: msgspec.Meta = msgspec.Meta(**constraints)
    return meta
