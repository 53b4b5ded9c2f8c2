"""Rows that wait for their counterpart, by id: bounded, in columns."""

from collections.abc import Sequence
from itertools import repeat

import numpy as np

from streamapp.types import Float64, Int64

_FIRST_SIZE = 1024
_NONE = np.iinfo(np.int64).max


class PendingRows:
    """At most `max_rows` rows of an id, a time (ms since the epoch) and `width` float64 values.

    The first row of an id stays; later ones are refused. When it is full, the oldest rows (by time) are given
    up, a sixty-fourth of the table at once, so that the search for them is paid rarely.
    """

    def __init__(self, max_rows: int, width: int) -> None:
        self._max_rows = max_rows
        self._slots: dict[str, int] = {}
        size = min(max_rows, _FIRST_SIZE)
        self._ids: list[str | None] = [None] * size
        self._times_ms = np.full(size, _NONE, np.int64)
        self._values = np.empty((size, width))
        self._free: list[int] = list(range(size - 1, -1, -1))

    def __len__(self) -> int:
        return len(self._slots)

    def add(self, ids: Sequence[str], times_ms: Int64, values: Float64) -> tuple[int, int]:
        """Let rows wait: ids (n,), times int64 (n,), values float64 (n, width).

        Returns how many were refused because their id waits already, and how many older rows (or, of more than
        `max_rows` new ones, the first) were given up for them.
        """
        given_up = 0
        if len(ids) > self._max_rows:
            given_up = len(ids) - self._max_rows
            ids, times_ms, values = ids[given_up:], times_ms[given_up:], values[given_up:]
        given_up += self._make_room(len(ids))
        cut = len(self._free) - len(ids)
        slots, self._free[cut:] = self._free[cut:], []
        taken = np.fromiter(map(self._slots.setdefault, ids, slots), np.int64, len(ids))
        wanted = np.array(slots, np.int64)
        fresh = taken == wanted
        self._times_ms[wanted[fresh]] = times_ms[fresh]
        self._values[wanted[fresh]] = values[fresh]
        for slot, row_id, kept in zip(slots, ids, fresh.tolist(), strict=True):
            if kept:
                self._ids[slot] = row_id
            else:
                self._free.append(slot)
        return len(ids) - int(fresh.sum()), given_up

    def take(self, ids: Sequence[str]) -> tuple[Int64, Int64, Float64]:
        """Remove the rows of `ids` that wait.

        Returns k indices into `ids` (ascending), their times int64 (k,) and values float64 (k, width). Of an id that
        is named twice the first is answered.
        """
        found = np.fromiter(map(self._slots.pop, ids, repeat(-1)), np.int64, len(ids))
        rows = np.flatnonzero(found >= 0)
        slots = found[rows]
        times_ms, values = self._times_ms[slots], self._values[slots]
        self._release(slots)
        return rows, times_ms, values

    def expire(self, before_ms: int) -> int:
        """Give up every row whose time is before `before_ms`; how many."""
        return self._give_up(np.flatnonzero(self._times_ms < before_ms))

    def _make_room(self, n: int) -> int:
        while len(self._free) < n and len(self._ids) < self._max_rows:
            self._grow()
        if len(self._free) >= n:
            return 0
        many = min(max(n - len(self._free), self._max_rows // 64), len(self._slots))
        return self._give_up(np.argpartition(self._times_ms, many - 1)[:many])

    def _grow(self) -> None:
        size = len(self._ids)
        more = min(size, self._max_rows - size)
        self._ids.extend([None] * more)
        self._times_ms = np.concatenate([self._times_ms, np.full(more, _NONE, np.int64)])
        self._values = np.concatenate([self._values, np.empty((more, self._values.shape[1]))])
        self._free.extend(range(size + more - 1, size - 1, -1))

    def _give_up(self, slots: Int64) -> int:
        for slot in slots.tolist():
            row_id = self._ids[slot]
            if row_id is not None:
                del self._slots[row_id]
        self._release(slots)
        return len(slots)

    def _release(self, slots: Int64) -> None:
        self._times_ms[slots] = _NONE
        freed = slots.tolist()
        for slot in freed:
            self._ids[slot] = None
        self._free.extend(freed)
