"""What other rooms count already, as metrics that are read at scrape time."""

from collections.abc import Callable, Mapping
from typing import Protocol

from streamapp.observe.tallies import Readings
from streamapp.protocols import Serving


class FeatureCounts(Protocol):
    """Cumulative counts of an enricher."""

    @property
    def rows_cached(self) -> int:
        """Rows per view served from the cache."""
        ...

    @property
    def rows_read(self) -> int:
        """Rows per view read from the store."""
        ...

    @property
    def store_reads(self) -> int:
        """Calls to the store."""
        ...

    @property
    def store_failures(self) -> int:
        """Calls that did not answer."""
        ...

    @property
    def evictions(self) -> int:
        """Entities dropped from a full cache."""
        ...

    @property
    def cached_entities(self) -> Mapping[str, int] | None:
        """View -> entities cached now."""
        ...


def feature_readings(counts: Callable[[], FeatureCounts]) -> Callable[[], Readings]:
    """A source for `Metrics.read_from` over the counts of an enricher."""

    def read() -> Readings:
        now = counts()
        return {
            "streamapp_cache_hits_total": {(): now.rows_cached},
            "streamapp_cache_misses_total": {(): now.rows_read},
            "streamapp_cache_evictions_total": {(): now.evictions},
            "streamapp_store_reads_total": {(): now.store_reads},
            "streamapp_store_failures_total": {(): now.store_failures},
            "streamapp_cache_entities": {(view,): n for view, n in (now.cached_entities or {}).items()},
        }

    return read


def serving_readings(serving: Callable[[], Serving]) -> Callable[[], Readings]:
    """A source for `Metrics.read_from` over what answers the next batch."""

    def read() -> Readings:
        now = serving()
        weights = zip(now.variants, now.router.weights, strict=True)
        shadows = zip(now.variants, now.router.shadows, strict=True)
        return {
            "streamapp_model_info": {(v.name, v.model_name, v.model_version): 1 for v in now.variants},
            "streamapp_variant_weight_ratio": {(variant.name,): weight for variant, weight in weights},
            "streamapp_variant_shadow_ratio": {(variant.name,): share for variant, share in shadows},
        }

    return read
