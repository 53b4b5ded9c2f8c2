"""What a worker counts, for metrics and the demo."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from streamapp.kafka.ledger import Partition

STAGES = ("wait", "prepare", "score", "encode", "publish")


@dataclass(frozen=True, slots=True)
class WorkerStats:
    """A snapshot. Counters run from the worker's start.

    rows_waiting: fetched, not yet in a micro-batch. rows_in_flight: in a micro-batch that is not acknowledged.
    lag: (topic, partition) -> records behind the end of the log. committed: (topic, partition) -> next offset.
    oldest_in_flight_s: age of the oldest micro-batch in flight, 0 without one. stage_seconds: sums over batches.
    """

    rows_waiting: int
    rows_in_flight: int
    lag: Mapping[tuple[str, int], int]
    committed: Mapping[tuple[str, int], int]
    assigned: frozenset[tuple[str, int]]
    rows: int
    batches: int
    retries: int
    abandoned_rows: int
    pauses: int
    oversized_rows: int
    dropped_observations: int
    failed_observations: int
    dropped_signals: int
    moved_logs: int
    oldest_in_flight_s: float
    stage_seconds: Mapping[str, float]


@dataclass(slots=True)
class Counters:
    """The running counts; written by the event loop only."""

    rows: int = 0
    batches: int = 0
    retries: int = 0
    abandoned_rows: int = 0
    pauses: int = 0
    oversized_rows: int = 0
    dropped_signals: int = 0
    moved_logs: int = 0
    committed: dict[Partition, int] = field(default_factory=dict)
    stage_seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(STAGES, 0.0))
