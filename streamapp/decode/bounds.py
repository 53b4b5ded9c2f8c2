"""The range of a number: what its dtype can hold and what its declaration allows."""

import math
from dataclasses import dataclass

from streamapp.config.settings import FieldSettings
from streamapp.errors import SchemaError

INT_RANGES = {"int32": (-(2**31), 2**31 - 1), "int64": (-(2**63), 2**63 - 1)}
FLOAT32_LIMIT = (2.0 - 2.0**-24) * 2.0**127
"""Smallest float64 that rounds to infinity as float32 (IEEE 754, round half to even)."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """An interval with the words of its declaration.

    low and high: the tightest limits, None where there is none; low_open and high_open: whether the limit itself is
    outside. declared: (operator, limit) as written. dtype: the name that `broken_by` gives for its own range.
    """

    dtype: str
    low: float | int | None
    high: float | int | None
    low_open: bool
    high_open: bool
    declared: tuple[tuple[str, float], ...]

    def broken_by(self, value: float) -> str | None:
        """The declaration (`le=100`) or the dtype that `value` breaks; None if it is inside."""
        for operator, limit in self.declared:
            if not _HOLDS[operator](value, limit):
                return f"{operator}={limit:g}"
        inside_low = self.low is None or (value > self.low if self.low_open else value >= self.low)
        inside_high = self.high is None or (value < self.high if self.high_open else value <= self.high)
        return None if inside_low and inside_high else f"dtype {self.dtype}"


_HOLDS = {
    "ge": lambda value, limit: value >= limit,
    "gt": lambda value, limit: value > limit,
    "le": lambda value, limit: value <= limit,
    "lt": lambda value, limit: value < limit,
}


def compile_bounds(where: str, dtype: str, declared: FieldSettings) -> Bounds:
    """The interval of a field at `where`. Raises `SchemaError` if nothing could satisfy it."""
    written = tuple(
        (operator, limit)
        for operator, limit in (("ge", declared.ge), ("gt", declared.gt), ("le", declared.le), ("lt", declared.lt))
        if limit is not None
    )
    for operator, limit in written:
        if not math.isfinite(limit):
            raise SchemaError(f"{where}: {operator} is {limit}; write a finite number or remove it")
    bounds = _integer(dtype, written) if dtype in INT_RANGES else _float(dtype, written)
    if bounds.low is not None and bounds.high is not None:
        closed = not bounds.low_open and not bounds.high_open
        if bounds.low > bounds.high or (bounds.low == bounds.high and not closed):
            said = ", ".join(f"{operator} {limit:g}" for operator, limit in written)
            raise SchemaError(f"{where}: no {dtype} satisfies {said}; widen the range")
    return bounds


def _integer(dtype: str, written: tuple[tuple[str, float], ...]) -> Bounds:
    """Closed integer limits: `gt 0.5` is `ge 1`."""
    low, high = INT_RANGES[dtype]
    for operator, limit in written:
        if operator == "ge":
            low = max(low, math.ceil(limit))
        elif operator == "gt":
            low = max(low, math.floor(limit) + 1)
        elif operator == "le":
            high = min(high, math.floor(limit))
        else:
            high = min(high, math.ceil(limit) - 1)
    return Bounds(dtype, low, high, False, False, written)


def _float(dtype: str, written: tuple[tuple[str, float], ...]) -> Bounds:
    limit32 = dtype in {"float32", "vector"}
    low, low_open = (-FLOAT32_LIMIT, True) if limit32 else (None, False)
    high, high_open = (FLOAT32_LIMIT, True) if limit32 else (None, False)
    for operator, limit in written:
        if operator in {"ge", "gt"}:
            if low is None or limit > low or (limit == low and operator == "gt"):
                low, low_open = limit, operator == "gt"
        elif high is None or limit < high or (limit == high and operator == "lt"):
            high, high_open = limit, operator == "lt"
    return Bounds("float32" if limit32 else dtype, low, high, low_open, high_open, written)
