"""Faust's aiokafka transport, handing whole fetches to agents: one `Chunk` of columns per partition and fetch.

Stock Faust delivers record by record and acknowledges too early in several ways
(docs/decisions/whole-fetches.md and own-acknowledgement.md). What is overridden here, and pinned by
tests/contract/test_faust_hooks.py: how records are drained, what is committed, what a rebalance waits for.
"""

import asyncio
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import aiokafka
import faust
import numpy as np
from aiokafka.consumer.fetcher import FetchResult
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError
from aiokafka.structs import OffsetAndMetadata, TopicPartition
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage

from streamapp.kafka.ledger import Partition, Span
from streamapp.types import Headers, RecordBatch

LOOK_AGAIN_S = 1.0
"""How long the fetching coroutine waits at most before it sees whether its consumer was closed."""


@dataclass(frozen=True, slots=True, eq=False)
class Chunk:
    """What one fetch brought of one partition; no record at all where the offsets hold only markers.

    moved: the consumer was not standing where it was left: the broker's log was truncated under it.
    """

    span: Span
    records: RecordBatch
    moved: bool = False


class Intake(Protocol):
    """The worker, as the consumer sees it."""

    def room(self, topic: str) -> int:
        """Rows that may still be handed over from `topic`; 0 or less pauses its partitions. Any thread."""
        ...

    def committable(self) -> Mapping[Partition, int]:
        """Partition -> offset to commit."""
        ...

    def committed(self, offsets: Mapping[Partition, int]) -> None:
        """These offsets are stored."""
        ...

    async def revoked(self) -> None:
        """All partitions are about to go: drop what waits, let what is in flight finish, within a limit."""
        ...

    def lost(self, partitions: Iterable[Partition]) -> None:
        """These partitions are gone."""
        ...

    def assigned(self, partitions: Iterable[Partition], generation: int) -> None:
        """From now on these partitions are held, in this generation."""
        ...


class RawRecord(Protocol):
    """A record as aiokafka's parser gives it."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Headers


def columns(partition: Partition, records: Sequence[RawRecord]) -> RecordBatch:
    """The columns of records of one partition."""
    n = len(records)
    return RecordBatch(
        [partition.topic] * n,
        np.full(n, partition.number, np.int32),
        np.fromiter([record.offset for record in records], np.int64, n),
        np.fromiter([record.timestamp for record in records], np.int64, n),
        [record.key for record in records],
        [record.value for record in records],
        [record.headers for record in records],
    )


def _keep_raw(fetched: Any) -> None:
    # aiokafka would make a ConsumerRecord of each record, which costs more than parsing it did.
    if isinstance(fetched, FetchResult) and fetched.has_more():
        fetched._partition_records._consumer_record = _as_it_is


def _as_it_is(tp: TopicPartition, record: RawRecord) -> RawRecord:
    return record


class BatchTopic(faust.Topic):  # type: ignore[misc]
    """A topic whose items are chunks, passed on as they are."""

    def _compile_decode(self) -> None:
        # `decode` is an attribute of the instance, set by this method: overriding `decode` itself has no effect.
        app = self.app

        async def decode(message: Any, *, propagate: bool = False) -> Any:
            return app.create_event(None, message.value, None, message)

        self.decode = decode


class BatchConsumerThread(driver.AIOKafkaConsumerThread):  # type: ignore[misc]
    """aiokafka's consumer in a thread of its own, so that heartbeats go on whatever the worker does.

    It pushes chunks to the worker's loop as they arrive. Asking for them, as Faust does, costs two more changes of
    thread per fetch, which at a thousand events a second is most of the work.
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        self._left_at: dict[TopicPartition, tuple[int, int]] = {}
        self._handed_rows = 0

    def _create_worker_consumer(self, transport: "BatchTransport") -> aiokafka.AIOKafkaConsumer:
        return aiokafka.AIOKafkaConsumer(**transport.consumer_options)

    async def on_start(self) -> None:
        """Connect and begin to fetch."""
        await super().on_start()
        self.add_future(self._pump())

    def wake(self) -> None:
        """Look again at what may be fetched. Any thread."""
        if self._consumer is not None and not self.thread_loop.is_closed():
            self.thread_loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        fetcher = self._ensure_consumer()._fetcher
        for waiter in list(fetcher._fetch_waiters):
            fetcher._notify(waiter)

    async def _pump(self) -> None:
        parent: BatchConsumer = self.consumer
        consumer = self._ensure_consumer()
        fetcher = consumer._fetcher
        try:
            # The context tells aiokafka that somebody is polling; without it an idle member leaves its group.
            with consumer._subscription.fetch_context():
                while not (consumer._closed or fetcher._closed):
                    chunks = await self._drain(consumer)
                    if chunks:
                        self.parent_loop.call_soon_threadsafe(parent.deliver, chunks)
                    else:
                        await self._arrival(fetcher)
        except (KafkaError, RuntimeError) as error:  # of authorisation, of corruption; a bug
            self.parent_loop.call_soon_threadsafe(parent.deliver, error)

    async def _arrival(self, fetcher: Any) -> None:
        waiter = fetcher._create_fetch_waiter()
        timer = self.thread_loop.call_later(LOOK_AGAIN_S, fetcher._notify, waiter)
        try:
            await waiter
        finally:
            timer.cancel()

    async def _drain(self, consumer: aiokafka.AIOKafkaConsumer) -> list[Chunk]:
        """Take what has been fetched. Does not yield to the loop, so no rebalance can come in between."""
        fetcher = consumer._fetcher
        parent: BatchConsumer = self.consumer
        if consumer._subscription.reassignment_in_progress or not parent.flow_active:
            return []
        generation: int = consumer._coordinator.generation
        assignment = consumer._subscription.subscription.assignment
        active = parent.open_partitions()
        found: list[Chunk] = []
        for tp in list(fetcher._records):
            room = parent.intake.room(tp.topic) - (self._handed_rows - parent.arrived_rows)
            if tp not in active or room <= 0 or not assignment.state_value(tp).has_valid_position:
                continue
            before = assignment.state_value(tp).position
            _keep_raw(fetcher._records[tp])
            records = (await fetcher.fetched_records({tp}, timeout=0, max_records=room)).get(tp, [])
            after = assignment.state_value(tp).position
            if after == before:
                continue
            moved = self._left_at.get(tp, (generation, before)) != (generation, before)
            self._left_at[tp] = (generation, after)
            self._handed_rows += len(records)
            partition = Partition(tp.topic, tp.partition)
            found.append(Chunk(Span(partition, generation, before, after), columns(partition, records), moved))
        return found

    async def seek_back(self, tp: TopicPartition, generation: int, offset: int) -> None:
        """Fetch again from `offset`, in case this generation still lasts."""
        await self.call_thread(self._seek_back, tp, generation, offset)

    async def _seek_back(self, tp: TopicPartition, generation: int, offset: int) -> None:
        consumer = self._ensure_consumer()
        if consumer._coordinator.generation == generation and tp in consumer.assignment():
            self._left_at[tp] = (generation, offset)
            consumer.seek(tp, offset)

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        # Faust's version crashes the app on any broker error; an uncommitted offset is merely committed later.
        consumer = self._ensure_consumer()
        held = consumer.assignment()
        found = {TopicPartition(*tp): OffsetAndMetadata(at, "") for tp, at in offsets.items()}
        found = {tp: at for tp, at in found.items() if tp in held}
        try:
            await consumer.commit(found)
        except CommitFailedError:
            self.log.info("Commit refused: the group has rebalanced")
            return False
        except (IllegalStateError, KafkaError) as error:
            self.log.warning("Commit failed, will be tried again: %r", error)
            return False
        return True


class BatchConsumer(driver.Consumer):  # type: ignore[misc]
    """Delivers chunks, commits what the worker's ledger says, and nothing else."""

    _thread: BatchConsumerThread

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.intake: Intake = self.transport.intake
        self.arrived_rows = 0
        self._delivered: deque[Chunk | Exception] = deque()
        self._delivery = asyncio.Event()

    def _new_consumer_thread(self) -> BatchConsumerThread:
        return BatchConsumerThread(self, loop=self.loop, beacon=self.beacon)

    def _reset_state(self) -> None:
        super()._reset_state()
        # Faust starts with the flow on: records fetched between joining and seeking to the committed offsets
        # would be delivered twice.
        self.stop_flow()

    def resume_flow(self) -> None:
        """Let records through."""
        super().resume_flow()
        self._thread.wake()

    def open_partitions(self) -> set[TP]:
        """Partitions to take records from now. Any thread."""
        found: set[TP] = self._active_partitions - self._paused_partitions
        return found

    def wake(self) -> None:
        """There is room again."""
        self._thread.wake()

    async def seek_back(self, span: Span, offset: int) -> None:
        """A chunk was dropped though its partition is held: have it again."""
        await self._thread.seek_back(TopicPartition(*span.partition), span.generation, offset)

    def deliver(self, found: list[Chunk] | Exception) -> None:
        """Take what the consumer's thread fetched, or why it cannot fetch any more."""
        if isinstance(found, Exception):
            self._delivered.append(found)
        else:
            self._delivered.extend(found)
        self._delivery.set()

    async def _drain_messages(self, fetcher: Any) -> None:
        stopping = self._stopped.is_set
        fetcher_stopping = fetcher._stopped.is_set
        try:
            while not (stopping() or fetcher_stopping()):
                if not self._delivered:
                    self._delivery.clear()
                    await self._delivery.wait()
                    continue
                found = self._delivered.popleft()
                if isinstance(found, Exception):
                    raise found
                await self.callback(self._message(found))
                self.arrived_rows += len(found.records)
        except asyncio.CancelledError:
            if not self.app.should_stop:
                raise

    def _message(self, chunk: Chunk) -> ConsumerMessage:
        topic, number = chunk.span.partition
        return ConsumerMessage(
            topic,
            number,
            chunk.span.start,
            0.0,
            0,
            None,
            None,
            chunk,
            None,
            None,
            None,
            TP(topic, number),
            generation_id=chunk.span.generation,
        )

    def ack(self, message: Any) -> bool:
        """Acknowledging through Faust has no effect: the ledger decides."""
        return False

    async def force_commit(self, topics: Any = None, start_new_transaction: bool = True) -> bool:
        """Commit the contiguous settled prefix of every partition."""
        offsets = self.intake.committable()
        if not offsets or not await self._commit({TP(*partition): at for partition, at in offsets.items()}):
            return False
        self.intake.committed(offsets)
        return True

    async def wait_empty(self) -> None:
        """Finish what is in flight, within the worker's limit, and commit it."""
        await self.intake.revoked()
        await self.maybe_wait_for_commit_to_finish()  # or the commit below would do nothing
        await self.commit_and_end_transactions()

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Stop, finish and commit as far as time allows, then forget the partitions."""
        self.stop_flow()
        await super().on_partitions_revoked(revoked)
        self.intake.lost(Partition(*tp) for tp in revoked)

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        """Start clean pages, then let Faust seek to the committed offsets and resume."""
        self.intake.assigned([Partition(*tp) for tp in assigned], generation_id)
        await super().on_partitions_assigned(assigned, generation_id)

    def verify_event_path(self, now: float, tp: TP) -> None:
        """Faust's stall alarm compares clocks of two kinds and cannot fire; the worker watches its own progress."""

    def position_and_end(self) -> dict[Partition, tuple[int, int]]:
        """Partition -> (offset consumed up to, end of the log as of the last fetch); unknown ones left out."""
        consumer = self._thread._consumer
        subscription = consumer._subscription.subscription if consumer is not None else None
        assignment = subscription.assignment if subscription is not None else None
        found: dict[Partition, tuple[int, int]] = {}
        if assignment is None:
            return found
        for tp in assignment.tps:
            state = assignment.state_value(tp)
            if state.has_valid_position and state.highwater is not None:
                found[Partition(tp.topic, tp.partition)] = (state.position, state.highwater)
        return found


class BatchTransport(driver.Transport):  # type: ignore[misc]
    """Installed as `app.transport` before the first agent is declared; no Faust setting does that."""

    Consumer: ClassVar[type[BatchConsumer]] = BatchConsumer

    def __init__(self, url: Any, app: Any, intake: Intake, consumer_options: Mapping[str, Any]) -> None:
        super().__init__(url, app)
        self.intake = intake
        self.consumer_options = dict(consumer_options)
