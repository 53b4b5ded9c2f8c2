"""Times as they are written, to milliseconds since the epoch."""

from collections.abc import Sequence
from datetime import datetime, timedelta, timezone

import numpy as np
import numpy.typing as npt

from streamapp.types import LATEST_MS, Float64, Int64

SCALES = {"s": (1000, 1), "ms": (1, 1), "us": (1, 1000)}
"""Unit -> (numerator, denominator) of its length in milliseconds."""

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_NAIVE_EPOCH = _EPOCH.replace(tzinfo=None)
_MILLISECOND = timedelta(milliseconds=1)
_EARLIEST_MS = -62_135_596_800_000

Written = int | float | datetime


def earliest(scale: tuple[int, int]) -> int:
    """0001-01-01T00:00:00Z in the unit of `scale`."""
    return -(-_EARLIEST_MS * scale[1] // scale[0])


def latest(scale: tuple[int, int]) -> int:
    """The last instant of the year 9999, rounded down to the unit of `scale`."""
    return LATEST_MS * scale[1] // scale[0]


def to_ms(written: Sequence[Written | None], unit: str) -> tuple[Int64, npt.NDArray[np.bool_]]:
    """Milliseconds int64 (n,) and where there was none, bool (n,).

    A time without an offset is UTC. Whole numbers and ISO 8601 are cut towards the past, fractional numbers rounded to
    the nearest millisecond, since 0.123 s has no exact float."""
    scale = SCALES[unit]
    n = len(written)
    types = set(map(type, written))
    if types == {int}:
        return whole_to_ms(np.fromiter(written, np.int64, n), unit), np.zeros(n, np.bool_)
    if types == {datetime}:
        return np.fromiter(map(instant_ms, written), np.int64, n), np.zeros(n, np.bool_)  # type: ignore[arg-type]
    ms = np.zeros(n, np.int64)
    absent = np.zeros(n, np.bool_)
    for row, value in enumerate(written):
        if value is None:
            absent[row] = True
        elif isinstance(value, datetime):
            ms[row] = instant_ms(value)
        elif isinstance(value, int):
            ms[row] = value * scale[0] // scale[1]
        else:
            ms[row] = round(value * scale[0] / scale[1])
    return ms, absent


def whole_to_ms(values: Int64, unit: str) -> Int64:
    """Numbers in `unit` to milliseconds; values are within `earliest` and `latest`."""
    numerator, denominator = SCALES[unit]
    return values * numerator if denominator == 1 else np.floor_divide(values, denominator)


def fractional_to_ms(values: Float64, unit: str) -> Int64:
    """Finite numbers in `unit` to milliseconds."""
    numerator, denominator = SCALES[unit]
    return np.rint(values * numerator / denominator).astype(np.int64)


def instant_ms(instant: datetime) -> int:
    """Milliseconds since the epoch; UTC where there is no offset."""
    return (instant - (_NAIVE_EPOCH if instant.tzinfo is None else _EPOCH)) // _MILLISECOND
