"""The entity cache of one feature view: a dict from key to slot, and columns indexed by slot."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import repeat

import numpy as np
import numpy.typing as npt

from streamapp.enrich.reader import NO_ROW, EntityKey, FeatureRows
from streamapp.types import Float32, Int64

_NEGATIVE_TTL_SHARE = 0.1
_MAX_BEHIND_MS = 86_400_000
_NO_SLOT = -1


@dataclass(frozen=True, slots=True, eq=False)
class CacheHits:
    """n rows looked up. values float32 (n, f) and event_times_ms int64 (n,) as in `FeatureRows`, filler where
    hit, bool (n,), is False."""

    values: Float32
    event_times_ms: Int64
    hit: npt.NDArray[np.bool_]


class EntityCache:
    """At most `max_entities` rows of `features` float32 values.

    An entity read at monotonic time M and features' time T is served until `ttl_s` after M, and to rows whose
    time is at most `ttl_s` after T. On the wall clock the two agree (M alone decides, so that a stepped clock
    does no harm). On event time T makes a time-lapse replay read as often as a live run, while M bounds the
    harm of one event from the future. Rows before T are served too, since the store holds the latest values
    only, but not a day before, so that T itself cannot be far off. An entity that the store does not know
    is remembered for a tenth of that.

    A full cache evicts by second chance (Corbató, 1968, "A paging experiment with the Multics system"): the
    hand passes over entities hit since its last turn.
    """

    def __init__(self, max_entities: int, features: int, ttl_s: float) -> None:
        self._max_entities = max_entities
        self._ttl_ms = round(ttl_s * 1000)
        self._slots: dict[EntityKey | None, int] = {}
        self._keys: list[EntityKey] = []
        self._values = np.empty((max_entities, features), np.float32)
        self._event_times_ms = np.empty(max_entities, np.int64)
        self._read_monotonic_ms = np.empty(max_entities, np.int64)
        self._read_times_ms = np.empty(max_entities, np.int64)
        self._used = np.zeros(max_entities, np.bool_)
        self._pinned = np.zeros(max_entities, np.bool_)
        self._hand = 0
        self.evictions = 0

    def __len__(self) -> int:
        return len(self._slots)

    def lookup(self, keys: Sequence[EntityKey | None], monotonic_ms: int, times_ms: Int64 | None) -> CacheHits:
        """Look up n keys; None is never a hit. times_ms int64 (n,): the rows' event times, None on the wall clock."""
        n = len(keys)
        if not self._slots or self._ttl_ms <= 0:
            width = self._values.shape[1]
            return CacheHits(np.empty((n, width), np.float32), np.empty(n, np.int64), np.zeros(n, np.bool_))
        slots = self._slots_of(keys)
        event_times_ms = self._event_times_ms[slots]
        ttl_ms = np.where(event_times_ms == NO_ROW, int(self._ttl_ms * _NEGATIVE_TTL_SHARE), self._ttl_ms)
        hit = (slots >= 0) & (monotonic_ms - self._read_monotonic_ms[slots] <= ttl_ms)
        if times_ms is not None:
            ahead_ms = times_ms - self._read_times_ms[slots]
            hit &= (ahead_ms <= ttl_ms) & (ahead_ms >= -_MAX_BEHIND_MS)
        self._used[slots[hit]] = True
        return CacheHits(self._values[slots], event_times_ms, hit)

    def insert(self, keys: Sequence[EntityKey], rows: FeatureRows, monotonic_ms: int, times_ms: Int64 | None) -> None:
        """Keep k distinct entities as just read, for rows at times_ms int64 (k,). Of more than fit, the last ones."""
        if self._ttl_ms <= 0 or self._max_entities == 0 or not keys:
            return
        start = max(0, len(keys) - self._max_entities)
        keys = keys[start:]
        slots = self._slots_of(keys)
        new = np.flatnonzero(slots == _NO_SLOT)
        if len(new):
            slots[new] = self._claim([keys[i] for i in new.tolist()], slots[slots != _NO_SLOT])
        self._values[slots] = rows.values[start:]
        self._event_times_ms[slots] = rows.event_times_ms[start:]
        self._read_monotonic_ms[slots] = monotonic_ms
        self._read_times_ms[slots] = 0 if times_ms is None else times_ms[start:]

    def _slots_of(self, keys: Sequence[EntityKey | None]) -> Int64:
        return np.fromiter(map(self._slots.get, keys, repeat(_NO_SLOT)), np.int64, len(keys))

    def _claim(self, keys: list[EntityKey], spared: Int64) -> Int64:
        """A slot for each of the k new keys: the unused ones first, then by eviction of others than `spared`."""
        first = len(self._keys)
        unused = min(self._max_entities - first, len(keys))
        self._keys.extend(keys[:unused])
        slots = np.arange(first, first + unused, dtype=np.int64)
        if unused < len(keys):
            slots = np.concatenate([slots, self._evict(len(keys) - unused, first, spared)])
            for slot, key in zip(slots[unused:].tolist(), keys[unused:], strict=True):
                del self._slots[self._keys[slot]]
                self._keys[slot] = key
        self._slots.update(zip(keys, slots.tolist(), strict=True))
        return slots

    def _evict(self, count: int, among: int, spared: Int64) -> Int64:
        """The next `count` of the first `among` slots, less the spared ones, that were not hit since the hand passed.

        Two turns of the hand are enough: the first clears every mark, the second takes what is left.
        """
        self._pinned[spared] = True
        taken: list[Int64] = []
        while count:
            window = np.arange(self._hand, min(self._hand + max(2 * count, 64), among))
            free = window[~(self._used[window] | self._pinned[window])]
            if len(free) > count:
                free = free[:count]
                window = window[: int(free[-1]) - self._hand + 1]
            self._used[window] = False
            self._pinned[free] = True
            taken.append(free)
            count -= len(free)
            self._hand = (self._hand + len(window)) % among
        slots = np.concatenate(taken)
        self._pinned[spared] = False
        self._pinned[slots] = False
        self.evictions += len(slots)
        return slots
