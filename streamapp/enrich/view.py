"""One stored view: its cache in front of the store."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from streamapp.config.settings import FeatureCacheSettings
from streamapp.enrich.cache import EntityCache
from streamapp.enrich.entities import can_be_stored
from streamapp.enrich.freshness import Found
from streamapp.enrich.reader import NO_ROW, EntityKey, FeatureRows
from streamapp.types import Float32, Int64, UInt8

ReadEntities = Callable[[Sequence[EntityKey]], FeatureRows | None]
"""Reads k distinct entities; None while the store is down and defaults are to be served."""


@dataclass(frozen=True, slots=True, eq=False)
class Lookup:
    """n rows of one stored view: values float32 (n, f) and event_times_ms int64 (n,), filler unless found, uint8
    (n,), is `Found.ROW`."""

    values: Float32
    event_times_ms: Int64
    found: UInt8


class CachedView:
    """Rows of one stored view by entity key: from the cache, and the rest in one read."""

    def __init__(self, name: str, features: tuple[str, ...], settings: FeatureCacheSettings) -> None:
        self.name = name
        self.features = features
        self._cache = EntityCache(settings.max_entities, len(features), settings.ttl_s)
        self.rows_cached = 0
        self.rows_read = 0
        self.rows_without_entity = 0
        self.rows_unavailable = 0

    @property
    def cached_entities(self) -> int:
        """Entities in the cache."""
        return len(self._cache)

    @property
    def evictions(self) -> int:
        """Entities dropped from the full cache so far."""
        return self._cache.evictions

    def rows(
        self, keys: Sequence[EntityKey | None], monotonic_ms: int, times_ms: Int64 | None, read: ReadEntities
    ) -> Lookup:
        """The n rows of n keys; None has no entity. times_ms int64 (n,): the rows' event times, None on the wall clock.

        What `read` raises passes through, and leaves the cache as it was.
        """
        hits = self._cache.lookup(keys, monotonic_ms, times_ms)
        found = np.full(len(keys), Found.ROW, np.uint8)
        missed = np.flatnonzero(~hits.hit)
        self.rows_cached += len(keys) - len(missed)
        if len(missed):
            self._read_missed(keys, missed, hits.values, hits.event_times_ms, found, monotonic_ms, times_ms, read)
        found[(hits.event_times_ms == NO_ROW) & (found == Found.ROW)] = Found.NO_ROW
        return Lookup(hits.values, hits.event_times_ms, found)

    def _read_missed(
        self,
        keys: Sequence[EntityKey | None],
        missed: Int64,
        values: Float32,
        event_times_ms: Int64,
        found: UInt8,
        monotonic_ms: int,
        times_ms: Int64 | None,
        read: ReadEntities,
    ) -> None:
        """Fill the rows `missed` of the columns in place, and the cache with what was read."""
        places: dict[EntityKey, int] = {}
        wanted = [_place(keys[row], places) for row in missed.tolist()]
        place = np.array(wanted, np.int64)
        found[missed[place < 0]] = Found.NO_ENTITY
        missed, place = missed[place >= 0], place[place >= 0]
        self.rows_without_entity += len(wanted) - len(missed)
        if not places:
            return
        entities = list(places)
        rows = read(entities)
        if rows is None:
            found[missed] = Found.UNAVAILABLE
            self.rows_unavailable += len(missed)
            return
        self.rows_read += len(missed)
        values[missed] = rows.values[place]
        event_times_ms[missed] = rows.event_times_ms[place]
        latest_ms: Int64 | None = None
        if times_ms is not None:
            latest_ms = np.full(len(entities), np.iinfo(np.int64).min, np.int64)
            np.maximum.at(latest_ms, place, times_ms[missed])
        self._cache.insert(entities, rows, monotonic_ms, latest_ms)


def _place(key: EntityKey | None, places: dict[EntityKey, int]) -> int:
    """The place of a key among the distinct ones, which it joins if new; -1 for none and for what cannot be stored."""
    if key is None:
        return -1
    place = places.get(key)
    if place is None:
        if not can_be_stored(key):
            return -1
        place = places[key] = len(places)
    return place
