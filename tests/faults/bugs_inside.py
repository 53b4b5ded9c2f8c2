"""Bugs to plant in what a batch goes through: models, features, the watch. As in `bugs.py`."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from streamapp.errors import InferenceError
from streamapp.infer.lane import Lane
from streamapp.kafka.watch import Watch
from streamapp.types import Array, Failure, Float64
from tests.faults.gate import FOLDER


def fails_the_whole_batch() -> None:
    """One bad row takes its batch with it into the dead-letter topic."""

    def isolate(
        self: Lane, inputs: Mapping[str, Array], m: int, error: InferenceError
    ) -> tuple[Float64, dict[int, Failure]]:
        values = np.full((m, len(self._names)), np.nan)
        return values, {place: Failure("infer", "model_error", str(error)) for place in range(m)}

    Lane._isolate = isolate  # type: ignore[method-assign]


def nobody_watches() -> None:
    """The watch is never started."""
    Watch.start = lambda self: None  # type: ignore[method-assign]


def fills_by_position() -> None:
    """What the store returns is taken in its order, not by name."""
    from streamapp.enrich import feast

    def number(stored: Mapping[str, Any], places: "list[str]", name: str) -> float:
        return feast._number(list(stored.values())[places.index(name)]) if stored else float("nan")

    def fill(
        rows: Sequence[tuple[Any, Mapping[str, Any] | None]], features: Sequence[str], values: Array, times: Array
    ) -> None:
        for row, (timestamp, stored) in enumerate(rows):
            if stored and timestamp is not None:
                values[row] = [number(stored, list(features), name) for name in features]
                times[row] = feast._milliseconds(timestamp)

    feast.fill_rows = fill


def answers_without_the_store() -> None:
    """A store that does not answer is taken for one that knows nothing."""
    from streamapp.enrich.availability import Availability

    Availability.serves_defaults = property(lambda self: self._down_since_s is not None)  # type: ignore[method-assign,assignment]


def stops_heartbeats_while_it_waits() -> None:
    """Waiting for the store happens where heartbeats are sent from."""
    import time

    from streamapp.enrich.enricher import FeatureEnricher
    from streamapp.kafka.fetching import BatchConsumerThread

    threads: list[BatchConsumerThread] = []
    really_start = BatchConsumerThread.on_start

    async def on_start(self: BatchConsumerThread) -> None:
        threads.append(self)
        await really_start(self)

    really_read = FeatureEnricher._read

    def read(self: FeatureEnricher, *args: Any) -> Any:
        before = self._store_failures
        try:
            return really_read(self, *args)
        finally:
            if self._store_failures > before and threads:
                threads.pop().thread_loop.call_soon_threadsafe(time.sleep, 5.0)

    BatchConsumerThread.on_start = on_start  # type: ignore[method-assign]
    FeatureEnricher._read = read  # type: ignore[method-assign]


def checks_no_digest() -> None:
    """Whatever the file holds is loaded."""
    from streamapp.infer import loading

    loading.check_digest = lambda path, sha256: None


def writes_a_spool() -> None:
    """Every scored batch is written to a file before it is answered."""
    from pathlib import Path

    from streamapp.pipeline import Pipeline
    from streamapp.protocols import Prepared
    from streamapp.types import ScoredBatch

    really_score = Pipeline.score

    def score(self: Pipeline, prepared: Prepared) -> ScoredBatch:
        with Path(os.environ[FOLDER]).with_name("spool").open("ab") as file:
            file.write(b"x" * 1000)
        return really_score(self, prepared)

    Pipeline.score = score  # type: ignore[method-assign]


def takes_event_time_for_now() -> None:
    """Ages are measured against the event's own time though the pipeline says wall clock."""
    from streamapp.enrich.enricher import FeatureEnricher

    really_init = FeatureEnricher.__init__

    def init(self: FeatureEnricher, *args: Any) -> None:
        really_init(self, *args)
        self._event_time = True

    FeatureEnricher.__init__ = init  # type: ignore[method-assign]


def is_always_ready() -> None:
    """The worker says that it works, whatever it does."""
    from streamapp import service
    from streamapp.observe.probes import Condition

    service.condition_of = lambda health: Condition(True, "")
    service._Probes.condition = lambda self: Condition(True, "")  # type: ignore[method-assign]


def leaks() -> None:
    """Every scored batch leaves something behind."""
    from streamapp.pipeline import Pipeline
    from streamapp.protocols import Prepared
    from streamapp.types import ScoredBatch

    kept: list[bytearray] = []
    really_score = Pipeline.score

    def score(self: Pipeline, prepared: Prepared) -> ScoredBatch:
        kept.append(bytearray(b"x" * 100_000))
        return really_score(self, prepared)

    Pipeline.score = score  # type: ignore[method-assign]


def takes_without_end() -> None:
    """Backpressure never pauses a partition."""
    from streamapp.kafka.line import ProductionLine

    ProductionLine.room = lambda self: 10_000  # type: ignore[method-assign]
