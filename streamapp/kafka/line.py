"""The production line: chunks in, micro-batches through prepare, score, encode and publish, spans settled.

Each stage is one task with a bounded queue before it, so batches leave in the order in which they entered and
preparing a batch overlaps with scoring the one before it. A small batch with nobody before it skips the queues
(`_at_once`).
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import accumulate
from typing import Generic, TypeVar

import numpy as np

from streamapp.batch import MicroBatch, MicroBatcher, Part
from streamapp.config.settings import PipelineSettings
from streamapp.encode.dead_letters import shortened
from streamapp.errors import Disposition, StreamappError
from streamapp.kafka.backlog import Backlog
from streamapp.kafka.chunk import Chunk
from streamapp.kafka.lane import Lane
from streamapp.kafka.ledger import Ledger, Span
from streamapp.kafka.sending import Rejected, Undelivered, take
from streamapp.kafka.stats import Counters
from streamapp.protocols import Clock, Prepared, ScoringPath, StageTimer
from streamapp.types import Failure, OutgoingBatch, RecordBatch, ScoredBatch

log = logging.getLogger(__name__)

T = TypeVar("T")
W = TypeVar("W")

SMALL_BATCH_ROWS = 64
"""Up to this size a batch that has nobody before it is prepared, scored and encoded in one go. Handing it from thread
to thread would take longer than the work: at 1 000 events/s it doubled the latency."""

Finished = tuple[ScoredBatch, tuple[OutgoingBatch, ...]]
"""A scored batch and its outputs."""

Deliver = Callable[[Sequence[OutgoingBatch], Sequence[Span], Sequence[int]], Awaitable[None]]
"""Publishes the outputs of a batch: rows [ends[i - 1], ends[i]) answer spans[i]. Returns once they are as durable as
settling asks for; raises `Undelivered`, or `Rejected`, which say what is to be published again."""

RETRY_FIRST_S = 0.1
RETRY_LONGEST_S = 5.0


@dataclass(slots=True, eq=False)
class Job(Generic[W]):
    """A micro-batch on its way; `work` is what the last stage made of it.

    Rows [ends[i - 1], ends[i]) answer spans[i].
    """

    spans: tuple[Span, ...]
    ends: tuple[int, ...]
    rows: int
    size_bytes: int
    began_s: float
    work: W
    seconds: dict[str, float] = field(default_factory=dict)

    def carry(self, work: T) -> "Job[T]":
        """The same job with the next stage's work."""
        return Job(self.spans, self.ends, self.rows, self.size_bytes, self.began_s, work, self.seconds)


def spans_of(batch: MicroBatch[Chunk]) -> tuple[Span, ...]:
    """The offsets that a micro-batch answers. Offsets without records belong to the row before them, or to the
    first row of their chunk."""
    found = []
    for part in batch.parts:
        span, offsets = part.source.span, part.source.records.offsets
        start = span.start if part.start == 0 else int(offsets[part.start - 1]) + 1
        stop = span.stop if part.stop == len(offsets) else int(offsets[part.stop - 1]) + 1
        found.append(span.piece(start, stop))
    return tuple(found)


def _size_bytes(part: Part[Chunk]) -> int:
    """An even share of the chunk's bytes; those of all parts of a chunk add up to its own."""
    size, rows = part.source.size_bytes, len(part.source.records)
    return size * part.stop // rows - size * part.start // rows


class ProductionLine:
    """From chunks to acknowledged outputs, at most `worker.max_batches_in_flight` at once."""

    def __init__(
        self,
        settings: PipelineSettings,
        path: ScoringPath,
        deliver: Deliver,
        ledger: Ledger,
        counters: Counters,
        show: Callable[[ScoredBatch], None],
        reopen: Callable[[], None],
        timer: StageTimer | None,
        clock: Clock,
    ) -> None:
        self._path, self._publish_rows, self._ledger, self._counters = path, deliver, ledger, counters
        self._show, self._reopen, self._timer, self._clock = show, reopen, timer, clock
        self._dead_letters = settings.dead_letters.topic
        batching = settings.batching
        self._batcher: MicroBatcher[Chunk] = MicroBatcher(
            batching.max_batch_size, batching.max_queue_delay_microseconds / 1e6
        )
        self._backlog = Backlog(batching.max_queue_size, batching.max_queue_bytes)
        self._waiting_bytes = 0
        self._waiting: dict[Chunk, float] = {}
        self._jobs: dict[int, float] = {}
        self._being_scored = 0
        self._arrived = asyncio.Event()
        self._settled = asyncio.Event()
        self._slots = asyncio.Semaphore(settings.worker.max_batches_in_flight)
        self._to_score: asyncio.Queue[Job[Prepared]] = asyncio.Queue(1)
        self._to_encode: asyncio.Queue[Job[ScoredBatch]] = asyncio.Queue(1)
        self._to_publish: asyncio.Queue[Job[Finished]] = asyncio.Queue()
        self._lanes = [Lane("prepare"), Lane("inference"), Lane("encode")]

    @property
    def waiting_rows(self) -> int:
        """Rows not yet in a micro-batch."""
        return self._batcher.waiting_rows

    @property
    def in_flight_rows(self) -> int:
        """Rows in micro-batches that are not acknowledged."""
        return self._backlog.rows - self._batcher.waiting_rows

    def oldest_in_flight_s(self) -> float:
        """Age of the oldest micro-batch in flight; 0 without one."""
        return self._clock.monotonic_s() - min(self._jobs.values()) if self._jobs else 0.0

    def room(self) -> int:
        """Rows that may still be fetched; 0 while paused. Any thread."""
        return self._backlog.room()

    def accept(self, chunk: Chunk) -> None:
        """Let a chunk, whose span was opened, join the queue."""
        now_s = self._clock.monotonic_s()
        self._waiting[chunk] = now_s
        self._batcher.add(chunk, chunk.records, now_s)
        self._waiting_bytes += chunk.size_bytes
        self._counters.pauses += self._backlog.add(len(chunk.records), chunk.size_bytes)
        self._arrived.set()

    def drop_waiting(self) -> None:
        """Forget what is in no micro-batch yet; it was not settled and comes again to whoever holds it then."""
        rows, size_bytes = self._batcher.waiting_rows, self._waiting_bytes
        self._batcher.drop(list(self._waiting))
        self._waiting.clear()
        self._waiting_bytes = 0
        self._relieve(rows, size_bytes)

    async def idle(self) -> None:
        """Return once no micro-batch is in flight."""
        while self._jobs:
            self._settled.clear()
            await self._settled.wait()

    async def run(self) -> None:
        """Work until cancelled. Raises what is neither retried nor a row's failure: then nothing more is settled."""
        stages = [self._prepare(), self._score(), self._encode(), self._publish()]
        tasks = [asyncio.ensure_future(stage) for stage in stages]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._jobs.clear()  # nobody finishes them any more, and nobody should wait
            self._settled.set()
            for lane in self._lanes:
                lane.close()

    async def _prepare(self) -> None:
        lane = self._lanes[0]
        while True:
            # A slot first: while none is free, rows go on joining the next batch.
            await self._slots.acquire()
            job = await self._next_job()
            if job.rows <= SMALL_BATCH_ROWS and not self._being_scored:
                await self._at_once(job)
                continue
            prepared = await self._stage("prepare", job, partial(lane.call, self._path.prepare, job.work))
            if prepared is not None:
                self._being_scored += 1
            await self._pass_on(self._to_score, prepared)

    async def _score(self) -> None:
        while True:
            job = await self._to_score.get()
            scored = await self._stage("score", job, self._scoring(job))
            if scored is None:
                self._being_scored -= 1
            await self._pass_on(self._to_encode, scored)

    def _scoring(self, job: Job[Prepared]) -> Callable[[], Awaitable[ScoredBatch]]:
        """Tries to score it: the first by what it was prepared for, each other by what serves by then."""
        prepare, inference, _ = self._lanes
        tried = False

        async def attempt() -> ScoredBatch:
            nonlocal tried
            if tried:
                job.work = await prepare.call(self._path.renew, job.work)
            tried = True
            return await inference.call(self._path.score, job.work)

        return attempt

    async def _encode(self) -> None:
        lane = self._lanes[2]
        while True:
            job = await self._to_encode.get()
            encoded = await self._stage("encode", job, partial(lane.call, self._path.encode, job.work))
            done = None if encoded is None else encoded.carry((job.work, encoded.work))
            await self._pass_on(self._to_publish, done)
            self._being_scored -= 1

    async def _at_once(self, job: Job[RecordBatch]) -> None:
        """Prepare, score and encode in the inference thread; only while no batch is between preparing and publishing,
        so that none is overtaken."""

        def work() -> tuple[Finished, Mapping[str, float]]:
            times_s = [self._clock.monotonic_s()]
            prepared = self._path.prepare(job.work)
            times_s.append(self._clock.monotonic_s())
            scored = self._path.score(prepared)
            times_s.append(self._clock.monotonic_s())
            outgoing = self._path.encode(scored)
            times_s.append(self._clock.monotonic_s())
            return (scored, outgoing), dict(zip(("prepare", "score", "encode"), np.diff(times_s).tolist(), strict=True))

        worked = await self._stage("prepare", job, partial(self._lanes[1].call, work))
        if worked is None:
            self._slots.release()
            return
        finished, seconds = worked.work
        worked.seconds.update(seconds)
        await self._to_publish.put(worked.carry(finished))

    async def _publish(self) -> None:
        while True:
            job = await self._to_publish.get()
            scored, outgoing = job.work
            oversized: dict[int, Failure] = {}
            published = await self._stage("publish", job, partial(self._deliver, job, list(outgoing), oversized))
            if published is not None:
                self._settle(published, _with_failures(scored, oversized))
            self._slots.release()

    async def _next_job(self) -> Job[RecordBatch]:
        loop = asyncio.get_running_loop()
        while True:
            now_s = self._clock.monotonic_s()
            batch = self._batcher.take(now_s)
            if batch is not None:
                return self._begin(batch, now_s)
            self._arrived.clear()
            ready_at_s = self._batcher.ready_at_s()
            timer = None if ready_at_s is None else loop.call_later(ready_at_s - now_s, self._arrived.set)
            await self._arrived.wait()
            if timer is not None:
                timer.cancel()

    def _begin(self, batch: MicroBatch[Chunk], now_s: float) -> Job[RecordBatch]:
        oldest_s = min(self._waiting[part.source] for part in batch.parts)
        for part in batch.parts:
            if part.stop == len(part.source.records):
                del self._waiting[part.source]
        ends = tuple(accumulate(map(len, batch.parts)))
        size_bytes = sum(map(_size_bytes, batch.parts))
        self._waiting_bytes -= size_bytes
        job = Job(spans_of(batch), ends, len(batch), size_bytes, now_s, batch.records, {"wait": now_s - oldest_s})
        self._jobs[id(job.seconds)] = now_s
        return job

    async def _pass_on(self, queue: "asyncio.Queue[Job[T]]", job: Job[T] | None) -> None:
        if job is None:
            self._slots.release()
        else:
            await queue.put(job)

    async def _stage(self, name: str, job: Job[W], attempt: Callable[[], Awaitable[T]]) -> Job[T] | None:
        """The job with the stage's result; None where it was abandoned. Retried for as long as it takes."""
        began_s = self._clock.monotonic_s()
        pause_s = RETRY_FIRST_S
        while any(map(self._ledger.holds, job.spans)):
            outcome = await _once(attempt)
            if not isinstance(outcome, StreamappError):
                job.seconds[name] = self._clock.monotonic_s() - began_s
                return job.carry(outcome[0])
            self._counters.retries += 1
            log.warning("%s of %d rows is tried again in %.1f s: %s", name, job.rows, pause_s, outcome)
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, RETRY_LONGEST_S)
        log.info("%d rows were left to other workers: their partitions are gone", job.rows)
        self._counters.abandoned_rows += job.rows
        self._finish(job)
        return None

    async def _deliver(self, job: Job[Finished], waiting: list[OutgoingBatch], oversized: dict[int, Failure]) -> None:
        """Publish `waiting`, moving records that are too large to the dead-letter topic and their rows to `oversized`.

        What is durable leaves the list, so that a retry sends the rest only.
        """
        while waiting:
            await self._deliver_once(job, waiting, oversized)

    async def _deliver_once(
        self, job: Job[Finished], waiting: list[OutgoingBatch], oversized: dict[int, Failure]
    ) -> None:
        try:
            await self._publish_rows(waiting, job.spans, job.ends)
        except Rejected as rejected:
            letters = [shortened(batch) for batch in rejected.records if batch.topic == self._dead_letters]
            if None in letters:
                raise
            rows = {int(row) for batch in rejected.records if batch.topic != self._dead_letters for row in batch.rows}
            instead = self._instead(job.work[0], rows, oversized)
            waiting[:] = [*rejected.remaining, *filter(None, letters), *instead]
        except Undelivered as undelivered:
            waiting[:] = undelivered.remaining
            raise
        else:
            waiting.clear()

    def _instead(self, scored: ScoredBatch, rows: Set[int], oversized: dict[int, Failure]) -> list[OutgoingBatch]:
        """The dead letters of `rows`, whose predictions the broker does not take."""
        if not rows:
            return []
        self._counters.oversized_rows += len(rows)
        failure = Failure("publish", "record_too_large", "the prediction is larger than the broker accepts")
        oversized.update(dict.fromkeys(rows, failure))
        letters = self._path.encode(_with_failures(scored, dict.fromkeys(rows, failure)))
        return [
            take(batch, np.flatnonzero(np.isin(batch.rows, list(rows))))
            for batch in letters
            if batch.topic == self._dead_letters
        ]

    def _settle(self, job: Job[None], scored: ScoredBatch) -> None:
        for span in job.spans:
            self._ledger.settle(span)
        self._counters.rows += job.rows
        self._counters.batches += 1
        for stage, seconds in job.seconds.items():
            self._counters.stage_seconds[stage] += seconds
        self._finish(job)
        if self._timer is not None:
            self._timer.batch(job.rows, job.seconds)
        self._show(scored)

    def _finish(self, job: Job[W]) -> None:
        del self._jobs[id(job.seconds)]
        self._settled.set()
        self._relieve(job.rows, job.size_bytes)

    def _relieve(self, rows: int, size_bytes: int) -> None:
        if self._backlog.remove(rows, size_bytes):
            self._reopen()


async def _once(attempt: Callable[[], Awaitable[T]]) -> tuple[T] | StreamappError:
    """What an attempt gave, in a tuple, or the error that says to try again. Raises any other."""
    try:
        return (await attempt(),)
    except StreamappError as error:
        if error.disposition is not Disposition.RETRY:
            raise
        return error


def _with_failures(scored: ScoredBatch, failures: Mapping[int, Failure]) -> ScoredBatch:
    return replace(scored, failures={**scored.failures, **failures}) if failures else scored
