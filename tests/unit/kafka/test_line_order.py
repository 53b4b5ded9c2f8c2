"""The line's two ways through, in one hop for small batches and stage by stage for large ones, keep one order."""

import asyncio
import threading
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from streamapp.clock import SystemClock
from streamapp.config.settings import PipelineSettings
from streamapp.errors import DependencyError, FeatureStoreUnavailable
from streamapp.kafka.chunk import Chunk
from streamapp.kafka.ledger import Ledger, Partition, Span
from streamapp.kafka.line import SMALL_BATCH_ROWS, ProductionLine
from streamapp.kafka.stats import Counters
from streamapp.protocols import Prepared
from streamapp.types import OutgoingBatch, RecordBatch, ScoredBatch
from tests.integration.stub_worker import EchoPath

PLACE = Partition("events", 0)
LARGE = SMALL_BATCH_ROWS + 1


class Path(EchoPath):
    """Echoes; notes the thread of every stage; fails as often as it is told."""

    def __init__(self, failures: int = 0) -> None:
        super().__init__()
        self.failures = failures
        self.threads: list[str] = []
        self.scoring = threading.Lock()
        self.overtaken = threading.Event()

    def prepare(self, records: RecordBatch) -> Prepared:
        self.threads.append(threading.current_thread().name)
        return super().prepare(records)

    def score(self, prepared: Prepared) -> ScoredBatch:
        if not self.scoring.acquire(blocking=False):
            raise ArithmeticError("two batches are scored at once")
        try:
            if self.failures:
                self.failures -= 1
                raise FeatureStoreUnavailable("down (stub)")
            return super().score(prepared)
        finally:
            self.scoring.release()

    def encode(self, scored: ScoredBatch) -> tuple[OutgoingBatch, ...]:
        # A large batch gives whoever would overtake it the time to do so.
        if len(scored) == LARGE:
            self.overtaken.wait(0.05)
            self.overtaken.clear()
        else:
            self.overtaken.set()
        return super().encode(scored)


class Sink:
    """A publisher that keeps the offsets in the order in which they came."""

    def __init__(self) -> None:
        self.values: list[bytes | None] = []

    async def publish(self, batches: Sequence[OutgoingBatch], spans: Sequence[Span], ends: Sequence[int]) -> None:
        await asyncio.sleep(0)
        self.values += [value for batch in batches for value in batch.values]


def chunk(start: int, rows: int) -> Chunk:
    records = RecordBatch(
        ["events"] * rows,
        np.zeros(rows, np.int32),
        np.arange(start, start + rows, dtype=np.int64),
        np.zeros(rows, np.int64),
        [None] * rows,
        [b"%d" % offset for offset in range(start, start + rows)],
        [()] * rows,
    )
    return Chunk(Span(PLACE, 1, start, start + rows), records)


async def through(path: Path, sizes: Sequence[int]) -> tuple[list[bytes | None], Ledger, list[dict[str, float]]]:
    """What was published, in order, when chunks of these sizes arrive at once and each is a batch of its own."""
    settings = PipelineSettings.model_validate(
        {
            "name": "p",
            "source": {"topics": ["events"]},
            "event": {"id": "id", "fields": {"id": {"dtype": "string"}}},
            "variants": {"v": {"model": {"name": "m", "path": "m"}, "inputs": {}, "outputs": {"s": {"tensor": "y"}}}},
            "batching": {"max_batch_size": max(sizes), "max_queue_delay_microseconds": 0},
            "predictions": {"topic": "predictions"},
            "dead_letters": {"topic": "dead"},
        }
    )
    ledger, counters, sink = Ledger(), Counters(), Sink()
    ledger.assign([PLACE], 1)
    times: list[dict[str, float]] = []

    class Timer:
        def batch(self, rows: int, seconds_by_stage: dict[str, float]) -> None:
            times.append(dict(seconds_by_stage))

    line = ProductionLine(
        settings, path, sink.publish, ledger, counters, lambda _: None, lambda: None, Timer(), SystemClock()
    )
    running = asyncio.ensure_future(line.run())
    start = 0
    for rows in sizes:
        made = chunk(start, rows)
        ledger.open(made.span)
        line.accept(made)
        start += rows
        await asyncio.sleep(0)
    while counters.rows < start:
        await asyncio.wait({running, asyncio.ensure_future(line.idle())}, return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            running.result()
        await asyncio.sleep(0)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    return sink.values, ledger, times


@pytest.mark.parametrize("sizes", [[1] * 20, [LARGE] * 5, [LARGE, 1, 1, LARGE, 1, LARGE, 1, 1, 1]])
async def test_small_and_large_batches_leave_in_the_order_in_which_they_came(sizes: list[int]) -> None:
    values, ledger, times = await through(Path(), sizes)
    assert values == [b"%d" % offset for offset in range(sum(sizes))]
    assert ledger.committable() == {PLACE: sum(sizes)}
    assert all(set(seconds) == {"wait", "prepare", "score", "encode", "publish"} for seconds in times)


async def test_a_small_batch_takes_one_hop_and_a_large_one_does_not_hold_up_inference() -> None:
    small, large = Path(), Path()
    await through(small, [1])
    await through(large, [LARGE])
    assert small.threads == ["inference"]
    assert large.threads == ["prepare"]


async def test_a_small_batch_is_tried_again_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamapp.kafka.line.RETRY_FIRST_S", 0.0)
    path = Path(failures=2)
    values, ledger, _ = await through(path, [3, 2])
    assert values == [b"0", b"1", b"2", b"3", b"4"]
    assert ledger.committable() == {PLACE: 5}
    assert path.failures == 0


class Stuck(Path):
    """What the batches were prepared for has no memory left, and was taken back meanwhile."""

    def renew(self, prepared: Prepared) -> Prepared:
        return replace(self.prepare(prepared.records), renewed=True)

    def score(self, prepared: Prepared) -> ScoredBatch:
        if not prepared.renewed:
            raise DependencyError("out of memory (stub)")
        return super().score(prepared)


async def test_a_large_batch_that_is_scored_again_is_scored_by_what_serves_by_then(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("streamapp.kafka.line.RETRY_FIRST_S", 0.0)
    path = Stuck()
    values, ledger, _ = await asyncio.wait_for(through(path, [LARGE, LARGE]), 10)
    assert values == [b"%d" % offset for offset in range(2 * LARGE)]
    assert ledger.committable() == {PLACE: 2 * LARGE}
    assert path.threads == ["prepare"] * 4
