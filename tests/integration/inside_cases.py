"""What happens beside the hot path, seen from inside: workers in the test's own event loop."""

import asyncio
import threading
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

import numpy as np

from streamapp.kafka.worker import Worker
from streamapp.types import OutgoingBatch, RecordBatch, ScoredBatch
from tests.integration.stub_worker import EchoPath
from tests.integration.worker_cases import PARTITIONS, Bench, place, repeats
from tests.kafka_io import Outgoing, committed, produce, read_all


@asynccontextmanager
async def running(worker: Worker) -> AsyncIterator[Worker]:
    """The worker at work; it leaves in order at the end of the block."""
    task = asyncio.ensure_future(worker.run())
    try:
        yield worker
    finally:
        worker.stop()
        await task


class Seen:
    """An observer and outbox that counts rows and alerts once per batch."""

    def __init__(self, alerts: str) -> None:
        self.rows = 0
        self._alerts = alerts
        self._waiting: list[OutgoingBatch] = []

    def observe(self, scored: ScoredBatch) -> None:
        self.rows += len(scored)
        one = np.zeros(1, np.int64)
        text = b"%d rows" % len(scored)
        self._waiting.append(OutgoingBatch(self._alerts, one, np.full(1, -1, np.int32), [b"k"], [text], [[]]))

    def drain(self) -> Sequence[OutgoingBatch]:
        found, self._waiting = self._waiting, []
        return found


class Broken:
    def observe(self, scored: ScoredBatch) -> None:
        raise ArithmeticError("a bug in an observer (stub)")


class Gate:
    """An observer that waits until it is opened."""

    def __init__(self) -> None:
        self.opened = threading.Event()
        self.entered = threading.Event()

    def observe(self, scored: ScoredBatch) -> None:
        self.entered.set()
        self.opened.wait()


class Joined:
    """An outcome handler that fails from record `fail_from` on."""

    def __init__(self, fail_from: int | None = None) -> None:
        self.values: list[bytes | None] = []
        self._fail_from = fail_from

    def join(self, records: RecordBatch) -> None:
        if self._fail_from is not None and len(self.values) + len(records) > self._fail_from:
            raise ArithmeticError("a bug in the join (stub)")
        self.values += records.values


class Times:
    def __init__(self) -> None:
        self.batches: list[tuple[int, Mapping[str, float]]] = []

    def batch(self, rows: int, seconds_by_stage: Mapping[str, float]) -> None:
        self.batches.append((rows, dict(seconds_by_stage)))


class LargeAnswers(EchoPath):
    """Answers of 2 MB for the values named, dead letters for what the worker says has failed."""

    def __init__(self, output: str, dead_letters: str, large: frozenset[bytes], large_letters: bool = False) -> None:
        super().__init__(output)
        self._dead_letters = dead_letters
        self._large = large
        self._blow_up = b"x" * 2_000_000
        self._large_letters = large_letters

    def encode(self, scored: ScoredBatch) -> tuple[OutgoingBatch, ...]:
        (whole,) = super().encode(scored)
        answered = [i for i in range(len(whole)) if i not in scored.failures]
        failed = sorted(scored.failures)
        values = [self._blow_up if whole.values[i] in self._large else whole.values[i] for i in range(len(whole))]
        answers = _pick(replace(whole, values=values), answered)
        letters = _pick(replace(whole, values=values) if self._large_letters else whole, failed)
        return answers, replace(letters, topic=self._dead_letters)


def _pick(batch: OutgoingBatch, rows: list[int]) -> OutgoingBatch:
    chosen = np.array(rows, np.int64)
    return OutgoingBatch(
        batch.topic,
        batch.rows[chosen],
        batch.partitions[chosen],
        [batch.keys[i] for i in rows],
        [batch.values[i] for i in rows],
        [batch.headers[i] for i in rows],
    )


class InsideCases:
    """Subclassed once per broker, beside a `bench` fixture."""

    async def test_partitions_pause_while_too_many_rows_wait(self, bench: Bench) -> None:
        await bench.feed(1000)
        batching = {"max_batch_size": 16, "max_queue_size": 64, "max_queue_delay_microseconds": 1000}
        worker = Worker(bench.parsed(batching=batching), EchoPath(bench.predictions, slow_s=0.005))
        highest = 0

        class Watch:
            def batch(self, rows: int, seconds_by_stage: Mapping[str, float]) -> None:
                nonlocal highest
                found = worker.stats()
                highest = max(highest, found.rows_waiting + found.rows_in_flight)

        worker._line._timer = Watch()
        async with running(worker):
            assert repeats(await bench.answers(1000)) == 0
            assert worker.stats().pauses > 1
        assert 16 <= highest <= 64

    async def test_observers_see_every_batch_and_their_signals_are_published(self, bench: Bench) -> None:
        await bench.feed(300)
        seen, times = Seen(bench.dead_letters), Times()
        worker = Worker(
            bench.parsed(batching={"max_batch_size": 30}),
            EchoPath(bench.predictions),
            observers=[Broken(), seen],
            outbox=seen,
            timer=times,
        )
        async with running(worker):
            await bench.answers(300)
            alerts: list[object] = []
            while len(alerts) < worker.stats().batches:
                alerts = list(await read_all(bench.bootstrap_servers, bench.dead_letters))
            stats = worker.stats()
        assert seen.rows == 300
        assert stats.rows == sum(rows for rows, _ in times.batches) == 300
        assert stats.batches == stats.failed_observations == len(times.batches) == len(alerts)
        assert stats.dropped_observations == stats.dropped_signals == 0
        assert {*times.batches[0][1]} == {"wait", "prepare", "score", "encode", "publish"}
        assert sum(stats.lag.values()) == 0

    async def test_a_slow_observer_loses_batches_not_events(self, bench: Bench) -> None:
        await bench.feed(400)
        gate = Gate()
        sections = {"batching": {"max_batch_size": 10}, "worker": {"observe_queue_batches": 3, "drain_s": 5}}
        worker = Worker(bench.parsed(**sections), EchoPath(bench.predictions), observers=[gate])
        async with running(worker):
            await bench.answers(400)
            stats = worker.stats()
            assert gate.entered.is_set()
            gate.opened.set()
        assert stats.batches - 4 <= stats.dropped_observations <= stats.batches - 3

    async def test_outcomes_are_acknowledged_once_joined(self, bench: Bench) -> None:
        labels = [Outgoing(b"label %d" % i, partition=i % PARTITIONS) for i in range(200)]
        await produce(bench.bootstrap_servers, bench.outcomes, labels)
        await bench.feed(40)
        joined = Joined()
        outcomes = {"topic": bench.outcomes, "id": "id", "label": "y", "score": "p"}
        worker = Worker(bench.parsed(outcomes=outcomes), EchoPath(bench.predictions), outcomes=joined)
        async with running(worker):
            await bench.answers(40)
            while len(joined.values) < 200:
                await bench.all_answers()
        assert sorted(v or b"" for v in joined.values) == sorted(label.value or b"" for label in labels)
        found = await committed(bench.bootstrap_servers, bench.group, bench.outcomes, PARTITIONS)
        assert found == dict.fromkeys(range(PARTITIONS), 50)

    async def test_a_failing_join_stops_the_worker_without_acknowledging(self, bench: Bench) -> None:
        labels = [Outgoing(b"label %d" % i, partition=0) for i in range(20)]
        await produce(bench.bootstrap_servers, bench.outcomes, labels)
        outcomes = {"topic": bench.outcomes, "id": "id", "label": "y", "score": "p"}
        worker = Worker(bench.parsed(outcomes=outcomes), EchoPath(bench.predictions), outcomes=Joined(fail_from=0))
        try:
            await asyncio.wait_for(worker.run(), 30)
        except ArithmeticError:
            pass
        else:
            raise AssertionError("the worker ended well")
        found = await committed(bench.bootstrap_servers, bench.group, bench.outcomes, PARTITIONS)
        assert {*found.values()} <= {0, None}


class OversizeCases:
    """For brokers that refuse records above `max.message.bytes`; the embedded one takes any."""

    async def test_an_answer_too_large_for_the_broker_becomes_a_dead_letter(self, bench: Bench) -> None:
        await bench.feed(200)
        large = frozenset({b"30", b"31", b"170"})
        path = LargeAnswers(bench.predictions, bench.dead_letters, large)
        worker = Worker(bench.parsed(), path)
        async with running(worker):
            answers = await bench.answers(197)
            while worker.stats().rows < 200:
                await bench.all_answers()
        letters = await read_all(bench.bootstrap_servers, bench.dead_letters)
        assert {letter.value for letter in letters} == large
        assert worker.stats().oversized_rows == 3
        assert len({place(r) for r in [*answers, *letters]}) == 200
        assert set((await bench.committed()).values()) == {50}

    async def test_a_dead_letter_too_large_loses_its_value_only(self, bench: Bench) -> None:
        await bench.feed(40)
        path = LargeAnswers(bench.predictions, bench.dead_letters, frozenset({b"7"}), large_letters=True)
        worker = Worker(bench.parsed(), path)
        async with running(worker):
            await bench.answers(39)
            while worker.stats().rows < 40:
                await bench.all_answers()
        (letter,) = await read_all(bench.bootstrap_servers, bench.dead_letters)
        assert letter.value is None
        assert dict(letter.headers)["streamapp.value.omitted"] == b"record_too_large"
        assert set((await bench.committed()).values()) == {10}
