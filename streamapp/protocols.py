"""The extension points and the seams between stages. N rows in, N rows out."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from streamapp.types import (
    Array,
    EventBatch,
    FeatureBlock,
    LateRows,
    OutcomeBatch,
    OutgoingBatch,
    RecordBatch,
    Routes,
    ScoreBlock,
    ScoredBatch,
    Variant,
)


class Clock(Protocol):
    """Time, injected."""

    def now_ms(self) -> int:
        """Wall clock, ms since the epoch."""
        ...

    def monotonic_s(self) -> float:
        """Monotonic seconds, for durations and deadlines."""
        ...


class Decoder(Protocol):
    """Bytes to typed columns."""

    def decode(self, records: RecordBatch) -> EventBatch:
        """Decode n records; a bad row becomes a failure with field, rule and value, never an exception."""
        ...


class OutcomeDecoder(Protocol):
    """Bytes of the label topic to ids, labels and times."""

    def decode(self, records: RecordBatch) -> OutcomeBatch:
        """Decode n records; a bad row becomes a failure, never an exception."""
        ...


class Router(Protocol):
    """Keys to variants."""

    @property
    def weights(self) -> Sequence[float]:
        """The share of the keys, in [0, 1], that each variant answers."""
        ...

    @property
    def shadows(self) -> Sequence[float]:
        """The share of the keys, in [0, 1], that each variant scores whoever answers them."""
        ...

    def route(self, events: EventBatch) -> Routes:
        """Assign every healthy row to the variant that answers it and to the shadows that score it."""
        ...


class Enricher(Protocol):
    """Entity columns to features, per variant."""

    def enrich(
        self, events: EventBatch, routes: Routes, wirings: Sequence[str] | None = None
    ) -> tuple[FeatureBlock, ...]:
        """One block per variant of `routes`. Blocking (store reads). Raises `FeatureStoreUnavailable`.

        wirings: per variant of `routes` the declared variant whose features it takes; the declared variants in the
        order of the pipeline file if absent.
        """
        ...

    def close(self) -> None:
        """Release the store."""
        ...


class Inferrer(Protocol):
    """Features and event columns to scores, per variant."""

    def infer(self, events: EventBatch, features: Sequence[FeatureBlock]) -> tuple[ScoreBlock, ...]:
        """One block per variant. Blocking; called from the inference thread only."""
        ...

    def close(self) -> None:
        """Release the models."""
        ...


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """One input or output of a model. dtype is NumPy's name (`float32`, `int64`, `str`); shape has None for a
    free axis, the first axis being rows."""

    name: str
    dtype: str
    shape: tuple[int | None, ...]


@dataclass(frozen=True, slots=True)
class Signature:
    """What a model takes and gives."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]


class Runtime(Protocol):
    """A loaded model. Implementations run through `streamapp.testing.check_runtime`."""

    @property
    def signature(self) -> Signature:
        """Read off the model where the format carries it, else as declared."""
        ...

    def infer(self, inputs: Mapping[str, Array]) -> Mapping[str, Array]:
        """Score m rows: every input and every output has first axis m. Raises `InferenceError`."""
        ...

    def close(self) -> None:
        """Free the model's memory."""
        ...


@dataclass(frozen=True, slots=True)
class RuntimeOptions:
    """How to run a model. device: `auto`, `cpu`, `cuda` or `cuda:i`. threads: intra-op CPU threads, 0 for the
    runtime's choice. signature: as declared in the pipeline file, for formats that carry none. sha256: the
    artefact's digest as pinned in the pipeline file, hex."""

    device: str = "auto"
    threads: int = 1
    signature: Signature | None = None
    sha256: str | None = None


RuntimeLoader = Callable[[Path, RuntimeOptions], Runtime]
"""What an entry point of group `streamapp.runtimes` names. Raises `ModelLoadError`."""


@dataclass(frozen=True, slots=True)
class Artefact:
    """A local file that holds a model version. runtime: the entry point that loads it; the one of its wiring, or the
    file's ending, decides if absent. sha256: what its digest has to be, hex. signature: for formats that carry none;
    its wiring's if absent."""

    path: Path
    sha256: str
    runtime: str | None = None
    signature: Signature | None = None


class ArtefactSource(Protocol):
    """Where versions come from that the pipeline file does not name."""

    def fetch(self, model: str, version: str) -> Artefact:
        """A local copy of the version. Blocking, called from any thread but one call at a time. Raises
        `ModelLoadError` for a version that does not exist or is not what it should be."""
        ...


class Encoder(Protocol):
    """A scored batch to the bytes that are published."""

    def predictions(self, scored: ScoredBatch) -> OutgoingBatch:
        """One record per answered row, in row order."""
        ...

    def dead_letters(self, scored: ScoredBatch) -> OutgoingBatch:
        """One record per failed row, in row order: original key, value and headers, plus the cause."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Serving:
    """Who answers which events, by which models; exchanged as a whole, between two batches.

    variants, and what `router` and `inferrer` give per variant, are in the same order. revision: the state of the
    control log that this is, 0 for what the pipeline file says.
    """

    revision: int
    variants: tuple[Variant, ...]
    router: Router
    inferrer: Inferrer


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """A batch that is ready for the models of `serving`, whatever serves the batches after it."""

    records: RecordBatch
    events: EventBatch
    routes: Routes
    features: tuple[FeatureBlock, ...]
    serving: Serving
    late: LateRows | None = None
    renewed: bool = False
    """Prepared anew after a try to score it: batches that were prepared for what served before may come after it."""


class ScoringPath(Protocol):
    """The hot path between fetch and publish, as the worker sees it. `streamapp.pipeline.Pipeline` is the one."""

    def prepare(self, records: RecordBatch) -> Prepared:
        """Decode, route and enrich. Blocking. Raises `FeatureStoreUnavailable`."""
        ...

    def renew(self, prepared: Prepared) -> Prepared:
        """The batch prepared for what serves now; itself where nothing has changed. Blocking. Raises like `prepare`."""
        ...

    def score(self, prepared: Prepared) -> ScoredBatch:
        """Infer. Blocking; one call at a time."""
        ...

    def encode(self, scored: ScoredBatch) -> tuple[OutgoingBatch, ...]:
        """What to publish: predictions and dead letters; empty batches left out."""
        ...


class Observer(Protocol):
    """Sees every scored batch beside the hot path."""

    def observe(self, scored: ScoredBatch) -> None:
        """Take the batch in. May lag; an exception here never fails the batch."""
        ...


class OutcomeHandler(Protocol):
    """Takes the records of the label topic, in offset order per partition."""

    def join(self, records: RecordBatch) -> None:
        """Join n outcomes to their predictions. Blocking; called in the observing thread. The records are
        acknowledged once this returned, so an exception stops the worker."""
        ...


class Outbox(Protocol):
    """What observing produced for other topics: signals."""

    def drain(self) -> Sequence[OutgoingBatch]:
        """Take what is waiting to be sent, in the observing thread after each batch; publishing is best effort."""
        ...


class StageTimer(Protocol):
    """Told once per micro-batch how long its stages took."""

    def batch(self, rows: int, seconds_by_stage: Mapping[str, float]) -> None:
        """A batch of `rows` was published and acknowledged. Stages: `wait` (fetched until taken), `prepare`,
        `score`, `encode`, `publish`. Called in the event loop: must not block."""
        ...
