"""From event columns to entity keys, one value or tuple per row."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from streamapp.enrich.reader import EntityKey
from streamapp.types import Column, Int64

_EXACT_IN_FLOAT64 = 2.0**53


@dataclass(frozen=True, slots=True)
class KeyField:
    """The event field that holds one join key. dtype: the join key's, `int32`, `int64` or `string`.
    labels: of a `category` field, the value of each code."""

    field: str
    dtype: str
    labels: tuple[int | str, ...] | None = None


def entity_keys(columns: Mapping[str, Column], fields: Sequence[KeyField], rows: Int64) -> list[EntityKey | None]:
    """The entity of each of m rows, None where a join key is absent, empty or not of its type.

    One bad value would fail the store's whole call, so nothing leaves here that the store cannot take. Without
    fields (a view without entities) every row has the key ().
    """
    if not fields:
        return [()] * len(rows)
    parts = [_key_parts(columns[field.field], field, rows) for field in fields]
    if len(parts) == 1:
        return cast(list[EntityKey | None], parts[0])
    return [None if None in key else cast(EntityKey, key) for key in zip(*parts, strict=True)]


def can_be_stored(key: EntityKey) -> bool:
    """Whether every text in the key is valid Unicode; lone surrogates have no UTF-8 form."""
    for part in key if isinstance(key, tuple) else (key,):
        if isinstance(part, str) and not part.isascii():
            try:
                part.encode()
            except UnicodeEncodeError:
                return False
    return True


def _key_parts(column: Column, field: KeyField, rows: Int64) -> list[int | str | None]:
    if isinstance(column, list):
        picked = column if len(rows) == len(column) else [column[row] for row in rows.tolist()]
        return [text or None for text in picked]
    values = column[rows]
    if field.labels is not None:
        return _labels(values, field.labels)
    return _integers(values, field.dtype)


def _labels(codes: npt.NDArray[Any], labels: tuple[int | str, ...]) -> list[int | str | None]:
    """The value of each code, None for a code outside the labels and for an empty label."""
    known = (codes >= 0) & (codes < len(labels))
    of_code = [label if label != "" else None for label in labels] + [None]
    return [of_code[code] for code in np.where(known, codes, len(labels)).tolist()]


def _integers(values: npt.NDArray[Any], dtype: str) -> list[int | str | None]:
    """Integers as Python's; an optional field is float64 with NaN where absent, and exact below 2**53 only."""
    limits = np.iinfo(dtype)
    if values.dtype.kind == "f":
        floats = values.astype(np.float64)
        valid = (np.abs(floats) <= _EXACT_IN_FLOAT64) & (floats == np.floor(floats))
        values = np.where(valid, floats, 0.0).astype(np.int64)
        valid &= (values >= limits.min) & (values <= limits.max)
    else:
        valid = (values >= limits.min) & (values <= limits.max)
    keys: list[int | str | None] = values.tolist()
    for row in np.flatnonzero(~valid).tolist():
        keys[row] = None
    return keys
