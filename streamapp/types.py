"""The batches that cross stages: columns over the same n rows, in the same order.

A stage never drops or reorders rows. A row that fails stays in place and is named in `failures`
(row -> `Failure`); later stages pass over it and `publish` sends it to the dead-letter topic.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np
import numpy.typing as npt

Headers = Sequence[tuple[str, bytes]]
Int16 = npt.NDArray[np.int16]
Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]
UInt8 = npt.NDArray[np.uint8]
Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
Array = npt.NDArray[np.generic]
Column = Array | list[str | None]
"""Numbers and vectors as an array with first axis n; strings as a list of n."""

NO_VARIANT = -1


@dataclass(frozen=True, slots=True)
class Failure:
    """Why one row cannot be answered.

    `code` is a closed set (metric label, dead-letter header); `field`, `rule` and `value` say what was
    broken where that applies, `value` shortened for display.
    """

    stage: str
    code: str
    message: str
    field: str = ""
    rule: str = ""
    value: str = ""


Failures = Mapping[int, Failure]


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """One record of a broker."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        """`topic/partition/offset`."""
        return f"{self.topic}/{self.partition}/{self.offset}"


@dataclass(frozen=True, slots=True, eq=False)
class RecordBatch:
    """n raw Kafka records in the order they were consumed; rows may come from several partitions.

    topics, keys, values, headers: lists of n. partitions int32 (n,), offsets int64 (n,),
    timestamps_ms int64 (n,): the broker's record timestamp, ms since the epoch.
    """

    topics: list[str]
    partitions: Int32
    offsets: Int64
    timestamps_ms: Int64
    keys: list[bytes | None]
    values: list[bytes | None]
    headers: list[Headers]

    def __len__(self) -> int:
        return len(self.values)

    def slice(self, start: int, stop: int) -> "RecordBatch":
        """Rows [start, stop) as a batch of their own."""
        return RecordBatch(
            self.topics[start:stop],
            self.partitions[start:stop],
            self.offsets[start:stop],
            self.timestamps_ms[start:stop],
            self.keys[start:stop],
            self.values[start:stop],
            self.headers[start:stop],
        )

    @staticmethod
    def concat(batches: "Sequence[RecordBatch]") -> "RecordBatch":
        """All rows of `batches`, one batch after the other; at least one is needed."""
        if len(batches) == 1:
            return batches[0]
        return RecordBatch(
            [x for b in batches for x in b.topics],
            np.concatenate([b.partitions for b in batches]),
            np.concatenate([b.offsets for b in batches]),
            np.concatenate([b.timestamps_ms for b in batches]),
            [x for b in batches for x in b.keys],
            [x for b in batches for x in b.values],
            [x for b in batches for x in b.headers],
        )


@dataclass(frozen=True, slots=True, eq=False)
class EventBatch:
    """n decoded events.

    columns: declared field -> column of n. Scalars are (n,) in the declared dtype (an optional number
    without a default is float64 with NaN where absent), a `category` is int32 codes, vectors are
    (n, k), strings are lists with None where absent. ids and routing_keys: lists of n, event_times_ms int64 (n,),
    ms since the epoch. Rows named in `failures` hold filler in every column.
    """

    columns: Mapping[str, Column]
    ids: list[str]
    routing_keys: list[str]
    event_times_ms: Int64
    failures: Failures

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True, slots=True)
class Variant:
    """A model version in a role: what an answer is attributed to. wiring: the declared variant whose features, inputs
    and outputs it has; its own name where empty."""

    name: str
    model_name: str
    model_version: str
    wiring: str = ""


LATEST_MS = 253_402_300_799_999
"""The end of the year 9999, ms since the epoch, beyond which no time can be written."""
MOST_WEIGHT = 1e6
"""Of one variant. Shares are of 10 000 buckets, and sums of weights stay far from where they overflow."""


@dataclass(frozen=True, slots=True)
class Tenant:
    """What a variant of the pipeline serves: version `version` of its model, wired as the pipeline file wires variant
    `wiring` (features, inputs, outputs). version None is the artefact that the file gives for `wiring`."""

    wiring: str
    version: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class ServingPlan:
    """Who is to answer which keys, by which versions: what a `Serving` is built from.

    revision: the place in the control log that it comes from. tenants: variant name -> its tenant, in the order of
    every per-variant tuple; a variant that is left out is empty. owners int16 (10 000,): bucket -> index of the
    variant that answers it, empty ones counted. shadows: one share in [0, 1] per variant, 0 for an empty one. trials:
    variants whose models may break: their rows fail then, and the worker goes on.
    """

    revision: int
    tenants: Mapping[str, Tenant]
    owners: Int16
    shadows: tuple[float, ...]
    trials: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, eq=False)
class Routes:
    """Who scores what.

    answers int16 (n,): index of the variant whose score is published, NO_VARIANT for a failed row.
    rows: per variant, the sorted int64 rows it scores, as answer or as shadow.
    """

    answers: Int16
    rows: tuple[Int64, ...]


class Freshness(IntEnum):
    """How the values of one feature view reached one row."""

    FRESH = 0
    STALE_SERVED = 1
    DEFAULTED = 2
    UNAVAILABLE_DEFAULTED = 3


@dataclass(frozen=True, slots=True, eq=False)
class FeatureBlock:
    """Features of one variant for the m rows it scores.

    rows int64 (m,): rows of the batch that got features (a rejected row is in `failures` instead).
    names: f feature names as `view:feature`. values float32 (m, f). views: v feature view names.
    ages_s float32 (m, v): seconds between the feature's event timestamp and now, NaN where the entity has
    no row. freshness uint8 (m, v): `Freshness`. failures: batch row -> why it has no features.
    """

    rows: Int64
    names: tuple[str, ...]
    values: Float32
    views: tuple[str, ...]
    ages_s: Float32
    freshness: UInt8
    failures: Failures = field(default_factory=dict)

    @staticmethod
    def without_features(rows: Int64) -> "FeatureBlock":
        """The block of a variant that takes event fields only."""
        m = len(rows)
        return FeatureBlock(
            rows, (), np.empty((m, 0), np.float32), (), np.empty((m, 0), np.float32), np.empty((m, 0), np.uint8)
        )


@dataclass(frozen=True, slots=True, eq=False)
class ScoreBlock:
    """Scores of one variant.

    rows int64 (m,): rows scored. names: o output names. values float64 (m, o), finite.
    failures: batch row -> why it has no score. seconds: what the model took for the whole block.
    """

    rows: Int64
    names: tuple[str, ...]
    values: Float64
    failures: Failures = field(default_factory=dict)
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class LateRows:
    """Rows that were older than the deadline when their batch was taken.

    rows int64 (k,), sorted. fallbacks: per variant the rows that it would have answered and the constants that they
    are answered with instead; empty under any other policy. Those rows have NO_VARIANT in `Routes`.
    """

    policy: str
    rows: Int64
    fallbacks: tuple[ScoreBlock, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class ScoredBatch:
    """A batch that went through every stage; all parts speak of the same n rows.

    features and scores: one block per variant, in the order of `variants`. failures: every row that gets
    no answer; a shadow's failure is in its block only. scored_at_ms: wall clock, ms since the epoch. late: rows that
    missed their deadline, None without any.
    """

    records: RecordBatch
    events: EventBatch
    variants: tuple[Variant, ...]
    routes: Routes
    features: tuple[FeatureBlock, ...]
    scores: tuple[ScoreBlock, ...]
    failures: Failures
    scored_at_ms: int
    late: LateRows | None = None

    def __len__(self) -> int:
        return len(self.records)


@dataclass(frozen=True, slots=True, eq=False)
class OutgoingBatch:
    """k records to send to one topic. keys, values, headers: lists of k; partitions int32 (k,); rows int64 (k,):
    the row of the scored batch that each record answers."""

    topic: str
    rows: Int64
    partitions: Int32
    keys: list[bytes | None]
    values: list[bytes | None]
    headers: list[Headers]

    def __len__(self) -> int:
        return len(self.values)


@dataclass(frozen=True, slots=True)
class Signal:
    """A detector spoke: `detector` found that `feature` (or the score, or the loss) of `variant` changed.

    at_ms is event time; value is the statistic that crossed, reference what it was compared with.
    """

    variant: Variant
    detector: str
    feature: str
    at_ms: int
    value: float
    reference: float
    rows_seen: int


@dataclass(frozen=True, slots=True, eq=False)
class OutcomeBatch:
    """n decoded outcomes (labels that came later): ids list of n, labels float64 (n,), times_ms int64 (n,)."""

    ids: list[str]
    labels: Float64
    times_ms: Int64
    failures: Failures

    def __len__(self) -> int:
        return len(self.ids)
