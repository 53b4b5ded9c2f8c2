"""The worker: a Faust app whose agents feed the production line, and the ledger that decides what is committed."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from streamapp.clock import SystemClock
from streamapp.config.settings import PipelineSettings
from streamapp.errors import StreamappError
from streamapp.kafka.app import BatchApp, add_agent, build_app, consumer_of
from streamapp.kafka.chunk import Chunk
from streamapp.kafka.client import connection
from streamapp.kafka.delivery import AtLeastOnce, Delivery, ExactlyOnce
from streamapp.kafka.ledger import Ledger, OutOfPlace, Partition
from streamapp.kafka.line import ProductionLine
from streamapp.kafka.observing import ObservingRoom
from streamapp.kafka.publisher import KafkaPublisher
from streamapp.kafka.sending import Refused
from streamapp.kafka.stats import Counters, WorkerStats
from streamapp.kafka.topics import prepare_topics
from streamapp.kafka.vitals import take_reading
from streamapp.kafka.watchdog import Reading
from streamapp.protocols import Clock, Observer, Outbox, OutcomeHandler, ScoringPath, StageTimer
from streamapp.types import OutgoingBatch

log = logging.getLogger(__name__)

LEAVE_S = 10.0
"""How long committing and leaving the group may take once the batches in flight are done. A process that was told to
stop then ends (`streamapp.kafka.run`)."""
SIGNALS_WAITING = 64


class Worker:
    """One member of the pipeline's consumer group. `run` lasts until `stop` is called or something fails.

    observers see every published batch, outcomes takes the label topic, outbox holds signals to publish.
    """

    def __init__(
        self,
        settings: PipelineSettings,
        path: ScoringPath,
        *,
        observers: Sequence[Observer] = (),
        outcomes: OutcomeHandler | None = None,
        outbox: Outbox | None = None,
        timer: StageTimer | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._settings = settings
        self._clock = clock if clock is not None else SystemClock()
        self._ledger = Ledger()
        self._counters = Counters()
        self._options = connection(settings.kafka)
        self._delivery = self._delivery_of(settings, self._options)
        self._signals = KafkaPublisher(self._options)
        self._outgoing_signals: asyncio.Queue[Sequence[OutgoingBatch]] = asyncio.Queue(SIGNALS_WAITING)
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        self._room = ObservingRoom(
            observers, outcomes, outbox, self._queue_signals, settings.worker.observe_queue_batches
        )
        self._line = ProductionLine(
            settings,
            path,
            self._delivery.publish,
            self._ledger,
            self._counters,
            self._room.show,
            self._reopen,
            timer,
            self._clock,
        )
        self._takes_outcomes = outcomes is not None and settings.outcomes is not None
        self._outcome_topic = settings.outcomes.topic if settings.outcomes is not None else ""
        self._outcome_rows = 0
        self._outcomes_paused = False
        self._failure: asyncio.Future[None] = self._loop.create_future()
        self._app: BatchApp | None = None
        self._generation = -1
        self._ready = asyncio.Event()

    def stop(self) -> None:
        """Ask the worker to finish what is in flight and leave."""
        self._stopping.set()

    @property
    def stopping(self) -> bool:
        """Whether `stop` was called."""
        return self._stopping.is_set()

    async def told_to_stop(self) -> None:
        """Return once `stop` was called."""
        await self._stopping.wait()

    def holds(self, topic: str, partition: int) -> bool:
        """Whether this worker holds that partition now."""
        return self._ledger.assigned(Partition(topic, partition))

    async def ready(self) -> None:
        """Return once partitions were assigned (perhaps none) and records flow."""
        await self._ready.wait()

    async def run(self) -> None:
        """Work until stopped. Raises what stopped it otherwise; then nothing of the failing batch is acknowledged."""
        if not await self._connect():
            self._room.close(0.0)
            return
        app = self._app = build_app(self._settings, self)
        add_agent(app, "predict", self._settings.source.topics, self._take_events)
        if self._takes_outcomes:
            add_agent(app, "outcomes", [self._outcome_topic], self._take_outcomes)
        running: asyncio.Future[None] = asyncio.ensure_future(self._run_app(app))
        work = [self._line.run(), self._send_signals(), self.told_to_stop()]
        duties: list[asyncio.Future[None]] = [*(asyncio.ensure_future(part) for part in work), running]
        try:
            done, _ = await asyncio.wait({*duties, self._failure}, return_when=asyncio.FIRST_COMPLETED)
            errors = [error for task in done if (error := task.exception()) is not None]
            if not errors:
                await self._drain()
            await _cancel(duties[:1])
            await self._started(running)
            await self._leave(app)
            if errors:
                raise errors[0]
        finally:
            await _cancel(duties)
            self._failure.cancel()
            await self._delivery.stop()
            await self._signals.stop()
            self._room.close(0.0 if self._failed() else self._settings.worker.drain_s)

    def stats(self) -> WorkerStats:
        """A snapshot of what was counted."""
        counters = self._counters
        app = self._app
        places = consumer_of(app).position_and_end() if app is not None and self._ready.is_set() else {}
        return WorkerStats(
            rows_waiting=self._line.waiting_rows,
            rows_in_flight=self._line.in_flight_rows,
            lag={(*tp,): max(0, end - at) for tp, (at, end) in places.items()},
            committed={(*tp,): at for tp, at in counters.committed.items()},
            assigned=frozenset((*tp,) for tp in places),
            rows=counters.rows,
            batches=counters.batches,
            retries=counters.retries,
            abandoned_rows=counters.abandoned_rows,
            pauses=counters.pauses,
            oversized_rows=counters.oversized_rows,
            dropped_observations=self._room.dropped_batches,
            failed_observations=self._room.failed_batches,
            dropped_signals=counters.dropped_signals,
            moved_logs=counters.moved_logs,
            oldest_in_flight_s=self._line.oldest_in_flight_s(),
            stage_seconds=dict(counters.stage_seconds),
        )

    def phase(self) -> str:
        """`starting`, `assigning`, `rebalancing`, `draining` or, while records flow, `working`. In the loop."""
        if self.stopping:
            return "draining"
        if self._app is None:
            return "starting"
        if not self._ready.is_set() or self._generation < 0:
            return "assigning"
        return "working" if consumer_of(self._app).flow_active else "rebalancing"

    def reading(self) -> Reading:
        """What there is to do, for the watchdog. In the loop."""
        consumer = consumer_of(self._app) if self._app is not None and self._ready.is_set() else None
        line, counters = self._line, self._counters
        return take_reading(self.phase(), consumer, self.room, self._ledger, line, counters, self._room.retries)

    # The consumer's view of the worker: `streamapp.kafka.transport.Intake`.

    def room(self, topic: str) -> int:
        """Rows that may still be handed over from `topic`."""
        if self._takes_outcomes and topic == self._outcome_topic:
            return 0 if self._outcomes_paused else self._settings.batching.max_queue_size - self._outcome_rows
        return self._line.room()

    async def commit(self) -> bool:
        """Commit the settled prefix of every partition; whether anything was."""
        generation = self._generation
        stored = await self._delivery.commit(self._ledger.committable())
        self._ledger.committed(stored, generation)
        self._counters.committed.update(stored)
        return bool(stored)

    async def revoked(self) -> None:
        """Drop what waits and let what is in flight finish, for at most `worker.drain_s`."""
        self._line.drop_waiting()
        limit_s = self._settings.worker.drain_s
        try:
            await asyncio.wait_for(self._line.idle(), limit_s)
        except asyncio.TimeoutError:
            log.warning("a batch in flight did not finish within %.1f s; it will be done again", limit_s)

    def lost(self, partitions: Iterable[Partition]) -> None:
        """These partitions are gone."""
        gone = list(partitions)
        self._ledger.drop(gone)
        self._delivery.lost(gone)
        for partition in gone:
            self._counters.committed.pop(partition, None)

    async def assigned(self, partitions: Iterable[Partition], generation: int) -> None:
        """From now on these partitions are held."""
        held = list(partitions)
        self._generation = generation
        try:
            await self._delivery.assigned(held, generation)
        except Refused as error:
            self._fail(error)
            return
        except StreamappError as error:
            log.warning("joining the group anew: %s", error)
            self.lost(held)
            consumer_of(self._needed_app()).rejoin()
            return
        self._ledger.assign(held, generation)
        log.info("generation %d holds %d partitions: %s", generation, len(held), _listed(held))

    # Agents.

    async def _take_events(self, chunk: Chunk) -> None:
        opened = await self._open(chunk)
        if opened is not None:
            self._line.accept(opened)

    async def _take_outcomes(self, chunk: Chunk) -> None:
        opened = await self._open(chunk)
        if opened is None:
            return
        rows = len(opened.records)
        self._outcome_rows += rows
        self._outcomes_paused = self._outcome_rows >= self._settings.batching.max_queue_size
        self._room.join(opened.records, lambda error: self._from_thread(self._outcomes_joined, opened, error))

    def _outcomes_joined(self, chunk: Chunk, error: BaseException | None) -> None:
        self._outcome_rows -= len(chunk.records)
        if error is not None:
            self._fail(error)
            return
        self._ledger.settle(chunk.span)
        if self._outcomes_paused and self._outcome_rows <= self._settings.batching.max_queue_size // 2:
            self._outcomes_paused = False
            self._reopen()

    async def _open(self, chunk: Chunk) -> Chunk | None:
        """The chunk with its span in the ledger; None where there is nothing to do with it."""
        consumer = consumer_of(self._needed_app())
        if not consumer.flow_active:
            return None  # stopping or rebalancing: whoever holds the partition then starts at what is committed
        try:
            span = self._ledger.open(chunk.span)
        except OutOfPlace as problem:
            if not chunk.moved:
                log.warning("fetching again from %d: %s", problem.expected, problem)
                await consumer.seek_back(chunk.span, problem.expected)
                return None
            log.error(
                "%s-%d: the log moved on the broker; expected offset %d, got %d. Records in between are gone or new",
                *chunk.span.partition,
                problem.expected,
                chunk.span.start,
            )
            self._counters.moved_logs += 1
            span = self._ledger.restart(chunk.span)
        if span is None:
            return None
        if not len(chunk.records):
            self._ledger.settle(span)
            return None
        return replace(chunk, span=span)

    # Delivery.

    def _delivery_of(self, settings: PipelineSettings, options: Mapping[str, Any]) -> Delivery:
        if settings.delivery == "exactly_once":
            return ExactlyOnce(settings, options, self._store, self._stored, self._start_over)
        return AtLeastOnce(settings, options, self._ledger, self._store, self._clock)

    async def _store(self, offsets: Mapping[Partition, int]) -> bool:
        return await consumer_of(self._needed_app()).store(offsets)

    def _stored(self, offsets: Mapping[Partition, int]) -> None:
        consumer_of(self._needed_app()).stored(offsets)

    def _start_over(self, partition: Partition) -> None:
        self._ledger.drop([partition])
        consumer_of(self._needed_app()).rejoin()

    # Life.

    async def _run_app(self, app: BatchApp) -> None:
        await app.start()
        self._ready.set()
        log.info("worker of group %s is ready", app.conf.id)
        await app.wait_until_stopped()
        if app.crash_reason is not None:
            raise app.crash_reason

    async def _connect(self) -> bool:
        """Wait for the broker and look at the topics; False if told to stop meanwhile."""
        starting = asyncio.ensure_future(self._start())
        told = asyncio.ensure_future(self.told_to_stop())
        try:
            await asyncio.wait({starting, told}, return_when=asyncio.FIRST_COMPLETED)
            if not starting.done():
                return False
            starting.result()
            return True
        finally:
            await _cancel([starting, told])

    async def _start(self) -> None:
        await prepare_topics(self._settings, self._options)
        await self._delivery.start()

    async def _drain(self) -> None:
        log.info("stopping: finishing %d rows in flight", self._line.in_flight_rows)
        # Nothing more comes in: what follows a dropped row must not be answered before it.
        consumer_of(self._needed_app()).stop_flow()
        await self.revoked()

    async def _started(self, running: "asyncio.Future[None]") -> None:
        """Return once the app is ready or has failed, in bounded time: what it still starts while it is being stopped,
        nobody stops."""
        ready = asyncio.ensure_future(self.ready())
        await asyncio.wait({ready, running}, timeout=LEAVE_S, return_when=asyncio.FIRST_COMPLETED)
        await _cancel([ready])

    async def _leave(self, app: BatchApp) -> None:
        """Commit, leave the group and disconnect, in bounded time: a broker that is gone must not keep us."""
        try:
            await asyncio.wait_for(app.stop(), LEAVE_S + self._settings.worker.drain_s)
        except asyncio.TimeoutError:
            log.warning("the consumer did not leave its group in time; its session will time out")
        except StreamappError:
            raise
        except Exception:  # on the way out; what matters was decided before
            log.exception("the consumer did not stop cleanly")

    def _fail(self, error: BaseException) -> None:
        if not self._failure.done():
            self._failure.set_exception(error)

    def _failed(self) -> bool:
        return self._failure.done() and not self._failure.cancelled()

    def _needed_app(self) -> BatchApp:
        if self._app is None:
            raise RuntimeError("the worker is not running")
        return self._app

    def _reopen(self) -> None:
        if self._app is not None:
            consumer_of(self._app).wake()

    def _from_thread(self, function: Callable[..., None], *args: object) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(function, *args)

    def _queue_signals(self, batches: Sequence[OutgoingBatch]) -> None:
        self._from_thread(self._put_signals, batches)

    def _put_signals(self, batches: Sequence[OutgoingBatch]) -> None:
        try:
            self._outgoing_signals.put_nowait(batches)
        except asyncio.QueueFull:
            self._counters.dropped_signals += sum(map(len, batches))

    async def _send_signals(self) -> None:
        while True:
            batches = await self._outgoing_signals.get()
            try:
                await self._signals.publish(batches)
            except StreamappError as error:
                self._counters.dropped_signals += sum(map(len, batches))
                log.warning("signals were not published: %s", error)


async def _cancel(tasks: Sequence["asyncio.Future[None]"]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _listed(partitions: Iterable[Partition]) -> str:
    numbers: dict[str, list[int]] = {}
    for topic, number in sorted(partitions):
        numbers.setdefault(topic, []).append(number)
    return ", ".join(f"{topic} {found}" for topic, found in numbers.items())
