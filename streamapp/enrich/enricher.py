"""The enrich stage: entity columns in, one block of features per variant out."""

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from streamapp.config.settings import FeatureSettings
from streamapp.enrich.availability import Availability
from streamapp.enrich.counts import EnrichCounts
from streamapp.enrich.deadline import DeadlineThread
from streamapp.enrich.entities import entity_keys
from streamapp.enrich.freshness import judge
from streamapp.enrich.plan import Binding, EnrichPlan, VariantPlan
from streamapp.enrich.reader import EntityKey, FeatureReader, FeatureRows
from streamapp.enrich.refresh import RegistryRefresher
from streamapp.enrich.view import CachedView, Lookup
from streamapp.errors import FeatureStoreUnavailable
from streamapp.protocols import Clock
from streamapp.types import EventBatch, Failure, FeatureBlock, Float32, Freshness, Int64, Routes

_Wanted = tuple[VariantPlan | None, Int64]
"""How a block is made, and the batch rows that are to be in it."""


class EventFieldsOnly:
    """The enricher of a pipeline whose variants take event fields only."""

    def __init__(self, variants: Iterable[str]) -> None:
        self.features: Mapping[str, tuple[str, ...]] = dict.fromkeys(variants, ())
        """Variant -> nothing."""

    def enrich(
        self, events: EventBatch, routes: Routes, wirings: Sequence[str] | None = None
    ) -> tuple[FeatureBlock, ...]:
        """Empty blocks."""
        return tuple(FeatureBlock.without_features(rows) for rows in routes.rows)

    @property
    def counts(self) -> EnrichCounts:
        """Nothing to count."""
        return EnrichCounts()

    def close(self) -> None:
        """Nothing to release."""


class FeatureEnricher:
    """Reads each stored view once per batch for the entities that are not cached, whichever variants ask for it.

    `enrich` may be called from any thread; calls follow one another. Owns `reader`.
    """

    def __init__(self, plan: EnrichPlan, settings: FeatureSettings, reader: FeatureReader, clock: Clock) -> None:
        self._plan = plan
        self._bindings = plan.bindings
        self.features: Mapping[str, tuple[str, ...]] = {
            name: () if variant is None else variant.names for name, variant in plan.variants.items()
        }
        """Variant -> the names in its block, as `view:feature`."""
        self._event_time = settings.clock == "event_time"
        self._reader = reader
        self._clock = clock
        self._views = {name: CachedView(name, names, settings.cache) for name, names in plan.stored.items()}
        self._availability = Availability(settings.unavailable, clock)
        self._reads: DeadlineThread[FeatureRows] = DeadlineThread(
            "streamapp-features", settings.unavailable.read_timeout_s
        )
        self._refresher = RegistryRefresher(reader.refresh, settings.registry_refresh_s)
        self._lock = threading.Lock()
        self._store_reads = 0
        self._entities_read = 0
        self._store_failures = 0

    def enrich(
        self, events: EventBatch, routes: Routes, wirings: Sequence[str] | None = None
    ) -> tuple[FeatureBlock, ...]:
        """See `streamapp.protocols.Enricher`."""
        planned = self._plan.variants
        wanted = [
            (planned[name], rows)
            for name, rows in zip(planned if wirings is None else wirings, routes.rows, strict=True)
        ]
        with self._lock:
            now_ms = np.array([self._clock.now_ms()], np.int64)
            lookups = self._look_up(events, wanted)
            return tuple(
                FeatureBlock.without_features(rows)
                if variant is None
                else _block(variant, rows, lookups, events.event_times_ms[rows] if self._event_time else now_ms)
                for variant, rows in wanted
            )

    @property
    def counts(self) -> EnrichCounts:
        """A snapshot."""
        views = self._views.values()
        return EnrichCounts(
            rows_cached=sum(view.rows_cached for view in views),
            rows_read=sum(view.rows_read for view in views),
            rows_without_entity=sum(view.rows_without_entity for view in views),
            rows_unavailable=sum(view.rows_unavailable for view in views),
            store_reads=self._store_reads,
            entities_read=self._entities_read,
            store_failures=self._store_failures,
            evictions=sum(view.evictions for view in views),
            registry_failures=self._refresher.failures,
            cached_entities={view.name: view.cached_entities for view in views},
        )

    def close(self) -> None:
        """End the threads and release the store."""
        self._refresher.close()
        self._reads.close()
        self._reader.close()

    def _look_up(self, events: EventBatch, wanted: Sequence[_Wanted]) -> dict[Binding, tuple[Int64, Lookup]]:
        """Per binding the place of every batch row, int64 (n,), in the lookup that follows."""
        lookups: dict[Binding, tuple[Int64, Lookup]] = {}
        monotonic_ms = int(self._clock.monotonic_s() * 1000)
        for name, view in self._views.items():
            bindings = [binding for binding in self._bindings if binding.stored == name]
            rows = [_rows_of(binding, wanted, len(events)) for binding in bindings]
            keys = _concat([entity_keys(events.columns, b.fields, r) for b, r in zip(bindings, rows, strict=True)])
            if not keys:
                continue
            times_ms = events.event_times_ms[np.concatenate(rows)] if self._event_time else None
            found = view.rows(keys, monotonic_ms, times_ms, self._read_of(view))
            start = 0
            for binding, asked in zip(bindings, rows, strict=True):
                places = np.zeros(len(events), np.int64)
                places[asked] = np.arange(start, start + len(asked))
                lookups[binding] = (places, found)
                start += len(asked)
        return lookups

    def _read_of(self, view: CachedView) -> Callable[[Sequence[EntityKey]], FeatureRows | None]:
        def read(keys: Sequence[EntityKey]) -> FeatureRows | None:
            return self._read(view, keys)

        return read

    def _read(self, view: CachedView, keys: Sequence[EntityKey]) -> FeatureRows | None:
        if not self._availability.should_try:
            return None
        self._store_reads += 1
        try:
            rows = self._reads.call(lambda: self._reader.read(view.name, view.features, keys))
        except FeatureStoreUnavailable:
            self._store_failures += 1
            self._availability.failed()
            if self._availability.serves_defaults:
                return None
            raise
        self._availability.answered()
        self._entities_read += len(keys)
        return rows


def _rows_of(binding: Binding, wanted: Sequence[_Wanted], n: int) -> Int64:
    """The batch rows for which some variant wants the binding, sorted."""
    asking = [
        rows
        for variant, rows in wanted
        if variant is not None and any(part.binding == binding for part in variant.parts)
    ]
    if len(asking) == 1:
        return asking[0]
    asked = np.zeros(n, np.bool_)
    for rows in asking:
        asked[rows] = True
    return np.flatnonzero(asked)


def _concat(parts: list[list[EntityKey | None]]) -> list[EntityKey | None]:
    return parts[0] if len(parts) == 1 else [key for part in parts for key in part]


def _block(
    variant: VariantPlan, rows: Int64, lookups: dict[Binding, tuple[Int64, Lookup]], now_ms: Int64
) -> FeatureBlock:
    """The block of one variant for its m rows; now_ms int64 (m,) or (1,)."""
    m = len(rows)
    values: Float32 = np.empty((m, len(variant.names)), np.float32)
    ages_s = np.empty((m, len(variant.views)), np.float32)
    freshness = np.full((m, len(variant.views)), Freshness.FRESH, np.uint8)
    rejected: dict[int, Failure] = {}
    if m:
        for index, part in enumerate(variant.parts):
            places, lookup = lookups[part.binding]
            place = places[rows]
            picked = lookup.values[place[:, None], part.columns]
            judged = judge(part.contract, picked, lookup.event_times_ms[place], lookup.found[place], now_ms)
            values[:, part.start : part.start + len(part.columns)] = picked
            ages_s[:, index] = judged.ages_s
            freshness[:, index] = judged.freshness
            rejected = judged.rejected | rejected
    if not rejected:
        return FeatureBlock(rows, variant.names, values, variant.views, ages_s, freshness)
    failures = {int(rows[row]): failure for row, failure in rejected.items()}
    kept = np.ones(m, np.bool_)
    kept[list(rejected)] = False
    return FeatureBlock(rows[kept], variant.names, values[kept], variant.views, ages_s[kept], freshness[kept], failures)
