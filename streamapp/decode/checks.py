"""One value against one rule, step by step: slower than the typed decode, and able to say what is wrong."""

import math
from datetime import datetime
from typing import NamedTuple

import msgspec

from streamapp.decode.schema import FLOATS, INTEGERS, FieldRule
from streamapp.decode.typed import timestamp_type


class Broken(NamedTuple):
    """Which rule a value breaks, under one of `failures.CODES`."""

    code: str
    rule: str
    message: str


def check_value(rule: FieldRule, value: object, is_id: bool) -> Broken | None:
    """The first rule that a present, non-null value of a scalar field breaks; None if it is good."""
    if rule.dtype == "timestamp":
        return _check_time(value, rule.unit)
    if not _fits_dtype(rule.dtype, value):
        return Broken("wrong_type", f"dtype {rule.dtype}", f"expected {rule.dtype}, got {json_type(value)}")
    if isinstance(value, str) and rule.dtype == "string" and (broken := _check_text(rule, value, is_id)):
        return broken
    if isinstance(value, (int, float)) and rule.dtype != "bool" and rule.dtype != "category":
        if not math.isfinite(value) if isinstance(value, float) else False:
            return Broken("not_finite", f"dtype {rule.dtype}", f"{value} is not a finite number")
        if (said := rule.bounds.broken_by(value)) is not None:
            return Broken("out_of_range", said, f"breaks {said}")
    if rule.allowed is not None and value not in rule.allowed:
        return Broken("not_allowed", "allowed", f"not one of the {len(rule.allowed)} allowed values")
    return None


def json_type(value: object) -> str:
    """The name of a decoded value's type, as JSON calls it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, (int, float)):
        return "integer" if isinstance(value, int) else "number"
    if isinstance(value, str):
        return "string"
    if isinstance(value, bytes):
        return "bytes"
    return "array" if isinstance(value, list) else "object"


def _fits_dtype(dtype: str, value: object) -> bool:
    if dtype == "bool":
        return isinstance(value, bool)
    if dtype == "string":
        return isinstance(value, str)
    if dtype == "category":
        return isinstance(value, (str, int)) and not isinstance(value, bool)
    if dtype in INTEGERS:
        return isinstance(value, int) and not isinstance(value, bool)
    return dtype in FLOATS and isinstance(value, (int, float)) and not isinstance(value, bool)


def _check_text(rule: FieldRule, value: str, is_id: bool) -> Broken | None:
    if is_id and not value:
        return Broken("empty", "id", "an id cannot be empty")
    if len(value) < rule.min_length:
        return Broken("too_short", f"min_length={rule.min_length}", f"{len(value)} characters, fewer than allowed")
    if rule.max_length is not None and len(value) > rule.max_length:
        return Broken("too_long", f"max_length={rule.max_length}", f"{len(value)} characters, more than allowed")
    return None


def _check_time(value: object, unit: str) -> Broken | None:
    if isinstance(value, (bool, list, dict, bytes)):
        return Broken("wrong_type", "dtype timestamp", f"expected ISO 8601 or a number, got {json_type(value)}")
    if isinstance(value, str):
        try:
            msgspec.convert(value, datetime)
        except msgspec.ValidationError:
            return Broken("bad_time", "ISO 8601", "not an ISO 8601 date and time such as 2013-01-01T05:15:00Z")
        return None
    try:
        msgspec.convert(value, timestamp_type(unit))
    except msgspec.ValidationError:
        return Broken("bad_time", f"time_unit {unit}", f"not a time within the years 1 to 9999 in {unit}")
    return None
