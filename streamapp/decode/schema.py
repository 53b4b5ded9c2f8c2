"""The declared schema of an event, checked for contradictions and compiled once."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from streamapp.config.settings import EventSettings, FieldSettings, Scalar
from streamapp.decode.bounds import Bounds, compile_bounds
from streamapp.errors import SchemaError

CE_ID = "ce_id"
CE_TIME = "ce_time"

ABSENT_CODE = -1
"""Code of an absent optional category without a default."""

INTEGERS = frozenset({"int32", "int64"})
FLOATS = frozenset({"float32", "float64"})
NUMBERS = INTEGERS | FLOATS

_TEXT_TYPES = frozenset({"string"})
_ALLOWED_TYPES = INTEGERS | FLOATS | {"string", "category"}
_ID_TYPES = INTEGERS | {"string"}
_KEY_TYPES = _ID_TYPES | {"category"}
_TIME_TYPES = INTEGERS | {"float64", "timestamp"}


@dataclass(frozen=True, slots=True)
class FieldRule:
    """One declared field, ready to be enforced.

    dtype: as declared, `vector` for `float32[width]`. bounds: what a number (or an element of a vector) has to
    satisfy, the range of its dtype included. unit: of a time written as a number. codes: value -> code of a
    `category`, None (absent) being -1.
    """

    name: str
    dtype: str
    width: int
    required: bool
    default: Scalar | None
    bounds: Bounds
    allowed: tuple[Scalar, ...] | None
    min_length: int
    max_length: int | None
    encoding: str
    unit: str
    codes: Mapping[Scalar | None, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class EventSchema:
    """All rules in declared order, and which of them give an event its id, its time and its key.

    id_field is None where the CloudEvents header `ce_id` is the id; time_header says that `ce_time` is the time.
    Without either, the record's timestamp is the event time; without key_field, the id is the routing key.
    """

    rules: tuple[FieldRule, ...]
    id_field: int | None
    time_field: int | None
    time_header: bool
    key_field: int | None


def compile_schema(event: EventSettings) -> EventSchema:
    """`event` as rules. Raises `SchemaError` naming the field and what to do where declarations contradict."""
    rules = tuple(compile_field(name, declared, event.time_unit) for name, declared in event.fields.items())
    index = {rule.name: i for i, rule in enumerate(rules)}
    id_field = time_field = key_field = None
    if event.id in index or event.id != CE_ID:
        id_field = _role(index, rules, "id", event.id, _ID_TYPES)
        if not rules[id_field].required:
            raise SchemaError(f"event.id: field {event.id!r} is optional; an id must be required: remove `required`")
    time_header = event.time == CE_TIME and CE_TIME not in index
    if event.time is not None and not time_header:
        time_field = _role(index, rules, "time", event.time, _TIME_TYPES)
    if event.routing_key is not None and not (event.routing_key == CE_ID == event.id and id_field is None):
        key_field = _role(index, rules, "routing_key", event.routing_key, _KEY_TYPES)
    return EventSchema(rules, id_field, time_field, time_header, key_field)


def compile_field(name: str, declared: FieldSettings, time_unit: str) -> FieldRule:
    """One field as a rule. Raises `SchemaError`."""
    dtype, _, width = declared.dtype.partition("[")
    dtype = "vector" if width else dtype
    _refuse_misplaced(name, dtype, declared)
    bounds = compile_bounds(_where(name), dtype, declared)
    rule = FieldRule(
        name=name,
        dtype=dtype,
        width=int(width.rstrip("]") or 0),
        required=declared.required,
        default=declared.default,
        bounds=bounds,
        allowed=declared.allowed,
        min_length=declared.min_length or 0,
        max_length=declared.max_length,
        encoding=declared.encoding,
        unit=time_unit,
        codes=_codes(declared.allowed or ()) if dtype == "category" else {},
    )
    _check_lengths(rule)
    _check_allowed(rule)
    _check_default(rule)
    return rule


def _codes(allowed: tuple[Scalar, ...]) -> Mapping[Scalar | None, int]:
    return {None: ABSENT_CODE, **{value: code for code, value in enumerate(allowed)}}


def _where(name: str) -> str:
    return f"event.fields.{name}"


def _role(index: Mapping[str, int], rules: tuple[FieldRule, ...], role: str, name: str, dtypes: frozenset[str]) -> int:
    if name not in index:
        raise SchemaError(f"event.{role}: field {name!r} is not declared; add it to event.fields")
    rule = rules[index[name]]
    if rule.dtype not in dtypes:
        raise SchemaError(
            f"event.{role}: field {name!r} is of dtype {rule.dtype}; it must be one of {', '.join(sorted(dtypes))}"
        )
    return index[name]


def _refuse_misplaced(name: str, dtype: str, declared: FieldSettings) -> None:
    """Rules that mean nothing for the dtype."""
    where = _where(name)
    ranged = any(b is not None for b in (declared.ge, declared.gt, declared.le, declared.lt))
    if ranged and dtype not in NUMBERS and dtype != "vector":
        raise SchemaError(f"{where}: a range needs a number, not {dtype}; remove ge, gt, le and lt")
    if (declared.min_length is not None or declared.max_length is not None) and dtype not in _TEXT_TYPES:
        raise SchemaError(f"{where}: min_length and max_length are for strings, not {dtype}; remove them")
    if declared.encoding != "auto" and dtype != "vector":
        raise SchemaError(f"{where}: encoding is for vectors such as float32[8], not {dtype}; remove it")
    if declared.allowed is not None and dtype not in _ALLOWED_TYPES:
        raise SchemaError(f"{where}: allowed does not apply to {dtype}; remove it")
    if declared.default is not None and dtype in {"vector", "timestamp"}:
        raise SchemaError(f"{where}: a {dtype} takes no default; remove it")
    if declared.default is not None and declared.required:
        raise SchemaError(f"{where}: a required field never takes its default; add `required: false` or remove default")


def _check_lengths(rule: FieldRule) -> None:
    if rule.max_length is not None and rule.min_length > rule.max_length:
        raise SchemaError(
            f"{_where(rule.name)}: min_length {rule.min_length} is above max_length {rule.max_length}; swap them"
        )


def _check_allowed(rule: FieldRule) -> None:
    where = _where(rule.name)
    if rule.allowed is None:
        if rule.dtype == "category":
            raise SchemaError(
                f"{where}: a category needs `allowed`, the list of its values in the order of their codes"
            )
        return
    if not rule.allowed:
        raise SchemaError(f"{where}: allowed is empty, so no event could pass; list the values")
    if len(set(rule.allowed)) != len(rule.allowed):
        raise SchemaError(f"{where}: allowed lists a value twice; remove one")
    if rule.dtype == "category":
        if len({type(value) for value in rule.allowed}) != 1 or type(rule.allowed[0]) not in (str, int):
            raise SchemaError(
                f"{where}: the values of a category are all strings or all integers; "
                "quote them (YAML reads a bare NO as false)"
            )
        if any(isinstance(value, int) and not -(2**63) <= value < 2**63 for value in rule.allowed):
            raise SchemaError(f"{where}: a value is beyond 64 bits; use strings")
        return
    for value in rule.allowed:
        if (broken := broken_by(rule, value)) is not None:
            raise SchemaError(f"{where}: allowed value {value!r} breaks {broken}; remove it or change the rule")


def _check_default(rule: FieldRule) -> None:
    if rule.default is None:
        return
    broken = broken_by(rule, rule.default)
    if broken is None and rule.allowed is not None and rule.default not in rule.allowed:
        broken = "allowed"
    if broken is not None:
        raise SchemaError(f"{_where(rule.name)}: default {rule.default!r} breaks {broken}; change one of the two")


def broken_by(rule: FieldRule, value: Scalar) -> str | None:
    """The rule, other than `allowed`, that a declared value breaks; None if it fits."""
    if rule.dtype == "category":
        return None
    if rule.dtype == "bool":
        return None if type(value) is bool else "dtype bool"
    if rule.dtype == "string":
        if not isinstance(value, str):
            return "dtype string"
        if len(value) < rule.min_length:
            return f"min_length={rule.min_length}"
        return f"max_length={rule.max_length}" if rule.max_length is not None and len(value) > rule.max_length else None
    if type(value) is int or (type(value) is float and rule.dtype in FLOATS and math.isfinite(value)):
        return rule.bounds.broken_by(value)
    return f"dtype {rule.dtype}"
