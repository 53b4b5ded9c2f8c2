"""Decoded rows to columns, all rows of a field at once."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from streamapp.decode.failures import failure, shortened
from streamapp.decode.schema import FieldRule
from streamapp.decode.times import to_ms
from streamapp.types import Array, Column, Failure

DTYPES: Mapping[str, Any] = {
    "bool": np.bool_,
    "int32": np.int32,
    "int64": np.int64,
    "float32": np.float32,
    "float64": np.float64,
}


def by_field(rows: Iterable[msgspec.Struct], width: int) -> list[tuple[Any, ...]]:
    """n rows of `width` fields as `width` tuples of n."""
    return list(zip(*map(msgspec.structs.astuple, rows), strict=True)) or [()] * width


def filler(rules: Sequence[FieldRule]) -> dict[str, Any]:
    """Attributes of the stand-in for a failed row: absent where that is allowed, else the emptiest value."""
    return {f"f{i}": _stand_in(rule) for i, rule in enumerate(rules)}


def _stand_in(rule: FieldRule) -> Any:
    if not rule.required or rule.dtype == "vector":
        return None
    if rule.dtype == "category" and rule.allowed:
        return rule.allowed[0]
    return {"bool": False, "string": "", "float32": 0.0, "float64": 0.0}.get(rule.dtype, 0)


def scalar_column(rule: FieldRule, values: tuple[Any, ...]) -> Column:
    """Values of one scalar field, None where absent, as `EventBatch` describes it."""
    if not rule.required and rule.default is not None and None in values:
        values = tuple(rule.default if value is None else value for value in values)
    if rule.dtype == "string":
        return list(values)
    if rule.dtype == "category":
        return _codes(rule, values)
    if rule.dtype == "timestamp":
        return _times(rule, values)
    if not rule.required and rule.default is None:
        return np.array(values, np.float64)
    return np.fromiter(values, DTYPES[rule.dtype], len(values))


def _codes(rule: FieldRule, values: tuple[Any, ...]) -> Array:
    return np.fromiter(map(rule.codes.__getitem__, values), np.int32, len(values))


def _times(rule: FieldRule, values: tuple[Any, ...]) -> Array:
    ms, absent = to_ms(values, rule.unit)
    if rule.required:
        return ms
    optional = ms.astype(np.float64)
    optional[absent] = np.nan
    return optional


def late_failures(rule: FieldRule, values: tuple[Any, ...], failures: dict[int, Failure]) -> None:
    """What the typed decode leaves open for a float field: `allowed`, and values that are not finite (Avro)."""
    numbers = np.array(values, np.float64)
    present = np.array([value is not None for value in values], np.bool_)
    for row in np.flatnonzero(present & ~np.isfinite(numbers)).tolist():
        said = "not a finite number"
        failures.setdefault(row, failure("not_finite", said, rule.name, f"dtype {rule.dtype}", shortened(values[row])))
    if rule.allowed is not None:
        for row in np.flatnonzero(present & ~np.isin(numbers, np.array(rule.allowed, np.float64))).tolist():
            said = f"not one of the {len(rule.allowed)} allowed values"
            failures.setdefault(row, failure("not_allowed", said, rule.name, "allowed", shortened(values[row])))
