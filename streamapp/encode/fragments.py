"""Columns to JSON fragments, one per row; a row's record is its fragments joined."""

from collections.abc import Iterable, Sequence

import numpy as np
import orjson

from streamapp.types import Float32, Float64, Int64


def numbers(column: Int64 | Float64 | Float32) -> list[bytes]:
    """A number column (k,) as k JSON numbers, each the shortest that reads back the same; NaN is `null`."""
    if not column.size:
        return []
    written = orjson.dumps(np.ascontiguousarray(column), option=orjson.OPT_SERIALIZE_NUMPY)
    return written[1:-1].split(b",")


def strings(column: Iterable[str]) -> list[bytes]:
    """Strings as JSON strings."""
    return list(map(orjson.dumps, column))


def constants(by_value: Sequence[bytes], column: Sequence[int]) -> list[bytes]:
    """The fragment of each row's small integer."""
    return list(map(by_value.__getitem__, column))
