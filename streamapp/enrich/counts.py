"""What the enricher did so far."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class EnrichCounts:
    """Cumulative counts since the start, but for `cached_entities`.

    rows_cached and rows_read count one per row and stored view, by where its features came from; rows_without_entity
    likewise where no usable join key came with the event, and rows_unavailable where defaults were served because the
    store was down. store_reads: calls to the store, one per view and chunk. entities_read: distinct entities in them.
    store_failures: calls that did not answer. evictions: entities dropped from full caches. registry_failures:
    refreshes that failed or found a changed service. cached_entities: stored view -> entities cached now.
    """

    rows_cached: int = 0
    rows_read: int = 0
    rows_without_entity: int = 0
    rows_unavailable: int = 0
    store_reads: int = 0
    entities_read: int = 0
    store_failures: int = 0
    evictions: int = 0
    registry_failures: int = 0
    cached_entities: Mapping[str, int] | None = None
