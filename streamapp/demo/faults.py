"""Events broken on purpose, so that dead letters can be seen."""

from collections.abc import Mapping
from enum import Enum

import numpy as np
import orjson

from streamapp.types import Int64

ONE_IN = 1000
Fields = Mapping[str, str | int | float | None]


class Fault(Enum):
    """What is wrong with a broken event."""

    NOT_JSON = "not JSON"
    MISSING_FIELD = "missing field"
    WRONG_TYPE = "wrong type"
    OUT_OF_RANGE = "out of range"
    UNKNOWN_CATEGORY = "unknown category"
    NULL_VALUE = "null value"


KINDS = tuple(Fault)
_WRONG: Mapping[Fault, Fields] = {
    Fault.WRONG_TYPE: {"distance": "far"},
    Fault.OUT_OF_RANGE: {"hour": 27},
    Fault.UNKNOWN_CATEGORY: {"carrier": "??"},
}


def broken(fault: Fault, event: Fields) -> bytes | None:
    """The record value of `event` with that fault."""
    if fault is Fault.NULL_VALUE:
        return None
    if fault is Fault.NOT_JSON:
        return orjson.dumps(event)[:-9]
    if fault is Fault.MISSING_FIELD:
        return orjson.dumps({name: value for name, value in event.items() if name != "origin"})
    return orjson.dumps({**event, **_WRONG[fault]})


def draw(rows: int, seed: int) -> tuple[Int64, Int64]:
    """Which of `rows` events get a broken twin, ascending, and the index of its fault in `KINDS`.

    One in `ONE_IN`, at least one of each kind; the kinds take turns, so that a short run shows them all.
    """
    random = np.random.default_rng(seed)
    count = min(rows, max(len(KINDS), round(rows / ONE_IN)))
    chosen = np.sort(random.choice(rows, count, replace=False)).astype(np.int64)
    return chosen, random.permutation(np.arange(count, dtype=np.int64) % len(KINDS))
