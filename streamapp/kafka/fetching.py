"""The thread that fetches: aiokafka's consumer, drained by whole fetches."""

from collections.abc import Mapping
from typing import Any, Protocol

import aiokafka
from aiokafka.consumer.fetcher import FetchResult
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaConnectionError, KafkaError
from aiokafka.structs import OffsetAndMetadata, TopicPartition
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from streamapp.kafka.chunk import Chunk, Intake, RawRecord, columns
from streamapp.kafka.closing import ClosingConsumer
from streamapp.kafka.ledger import Partition, Span
from streamapp.kafka.missing import MissingTopics
from streamapp.kafka.places import Places

LOOK_AGAIN_S = 1.0
"""How long the fetching coroutine waits at most before it sees whether its consumer was closed."""


class Recipient(Protocol):
    """The consumer in the worker's loop, as the thread sees it."""

    intake: Intake
    flow_active: bool

    def open_partitions(self) -> set[TP]:
        """Partitions to take records from now. Any thread."""
        ...

    def arrived_rows(self, generation: int) -> int:
        """Rows of this generation that are counted by whoever took them. Any thread."""
        ...

    def deliver(self, found: list[Chunk] | Exception) -> None:
        """Take chunks, or why there will be no more. In the worker's loop."""
        ...


class BatchConsumerThread(driver.AIOKafkaConsumerThread):  # type: ignore[misc]
    """aiokafka's consumer in a thread of its own, so that heartbeats go on whatever the worker does.

    It pushes chunks to the worker's loop as they arrive. Asking for them, as Faust does, costs two more changes of
    thread per fetch, which at a thousand events a second is most of the work.
    """

    mundane_level = "debug"  # starting and stopping is not news

    def __post_init__(self) -> None:
        super().__post_init__()
        self._places = Places()
        self._missing = MissingTopics()
        self._looked_at_s = 0.0
        self._generation = 0
        self._handed = (-1, 0)

    def _create_worker_consumer(self, transport: Any) -> aiokafka.AIOKafkaConsumer:
        return ClosingConsumer(**transport.consumer_options)

    async def on_start(self) -> None:
        """Connect, for as long as the broker takes, and begin to fetch."""
        while not await self._connected():
            await self.sleep(LOOK_AGAIN_S)
            if self.should_stop:
                return
        self.add_future(self._pump())
        self.add_future(self._follow_ends())

    async def _connected(self) -> bool:
        """Whether the broker answers; it did a moment ago, when the topics were looked at."""
        try:
            await super().on_start()
        except KafkaConnectionError as error:
            await self._ensure_consumer().stop()
            self.log.warning("The broker does not answer any more, trying again: %s", error)
            return False
        return True

    @property
    def generation(self) -> int:
        """How often this member has been assigned partitions. Any thread.

        Not the group's own number: Kafka answers a member that joins anew, with nothing changed, with the same one.
        """
        return self._generation

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        """Count, and have Faust skip what was fetched before."""
        self._generation += 1
        self.app.consumer_generation_id = self._generation
        await super().on_partitions_assigned(assigned, self._generation)

    def wake(self) -> None:
        """Look again at what may be fetched. Any thread."""
        if self._consumer is not None and not self.thread_loop.is_closed():
            self.thread_loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        fetcher = self._ensure_consumer()._fetcher
        for waiter in list(fetcher._fetch_waiters):
            fetcher._notify(waiter)

    async def _pump(self) -> None:
        recipient: Recipient = self.consumer
        consumer = self._ensure_consumer()
        fetcher = consumer._fetcher
        try:
            # The context tells aiokafka that somebody is polling; without it an idle member leaves its group.
            with consumer._subscription.fetch_context():
                while not (consumer._closed or fetcher._closed):
                    chunks = await self._drain(consumer)
                    if chunks:
                        self.parent_loop.call_soon_threadsafe(recipient.deliver, chunks)
                    else:
                        await self._arrival(fetcher)
                        self._look_for_topics(consumer)
        except Exception as error:  # noqa: BLE001 - handed to the worker, which stops
            self.parent_loop.call_soon_threadsafe(recipient.deliver, error)

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
        recipient: Recipient = self.consumer
        if consumer._subscription.reassignment_in_progress or not recipient.flow_active:
            return []
        generation = self._generation
        assignment = consumer._subscription.subscription.assignment
        active = recipient.open_partitions()
        handed = self._handed[1] if self._handed[0] == generation else 0
        found: list[Chunk] = []
        for tp in list(fetcher._records):
            room = recipient.intake.room(tp.topic) - (handed - recipient.arrived_rows(generation))
            if tp not in active or room <= 0 or not assignment.state_value(tp).has_valid_position:
                continue
            before = assignment.state_value(tp).position
            _keep_raw(fetcher._records[tp])
            records = (await fetcher.fetched_records({tp}, timeout=0, max_records=room)).get(tp, [])
            after = assignment.state_value(tp).position
            if after == before:
                continue
            partition = Partition(tp.topic, tp.partition)
            missed = self._places.missed(partition, generation, before)
            if missed is not None:  # an empty chunk says where it should go on; the next is seen to be elsewhere
                found.append(Chunk(Span(partition, generation, missed, missed), columns(partition, [])))
            moved = self._places.moved(partition, generation, before)
            self._places.left(partition, generation, after)
            handed += len(records)
            self._handed = (generation, handed)
            size_bytes = sum(len(record.value) for record in records if record.value is not None)
            span = Span(partition, generation, before, after)
            found.append(Chunk(span, columns(partition, records), moved, size_bytes))
        return found

    async def _follow_ends(self) -> None:
        """Keep the ends known of partitions whose records wait here: they are not fetched meanwhile, and where the log
        ended at the last fetch says less and less about how far a slow worker is behind."""
        consumer = self._ensure_consumer()
        while not self.should_stop:
            await self.sleep(LOOK_AGAIN_S)
            waiting = [tp for tp in consumer._fetcher._records if tp in consumer.assignment()]
            try:
                ends = await consumer.end_offsets(waiting) if waiting else {}
            except KafkaError as error:
                self.log.debug("The ends of the logs are not known: %r", error)
                continue
            for tp in ends.keys() & consumer.assignment():
                state = consumer._subscription.subscription.assignment.state_value(tp)
                state.highwater = max(state.highwater or 0, ends[tp])

    def stored(self, offsets: Mapping[Partition, int]) -> None:
        """The broker has stored these offsets, in transactions. Any thread."""
        if offsets and not self.thread_loop.is_closed():
            self.thread_loop.call_soon_threadsafe(self._stored, offsets)

    def _stored(self, offsets: Mapping[Partition, int]) -> None:
        for partition, offset in offsets.items():
            self._places.committed(partition, offset)

    def rejoin(self) -> None:
        """Join the group anew. Any thread."""
        if not self.thread_loop.is_closed():
            self.thread_loop.call_soon_threadsafe(self._ensure_consumer()._coordinator.request_rejoin)

    async def seek_back(self, tp: TopicPartition, generation: int, offset: int) -> None:
        """Fetch again from `offset`, in case this generation still lasts."""
        await self.call_thread(self._seek_back, tp, generation, offset)

    async def _seek_back(self, tp: TopicPartition, generation: int, offset: int) -> None:
        consumer = self._ensure_consumer()
        if self._generation == generation and tp in consumer.assignment():
            self._places.left(Partition(*tp), generation, offset)
            consumer.seek(tp, offset)

    async def seek_to_committed(self) -> Mapping[TopicPartition, int | None]:
        """Go on where the group has committed, and remember where that is: the log may begin elsewhere by now."""
        found: Mapping[TopicPartition, int | None] = await self.call_thread(self._seek_to_committed)
        return found

    async def _seek_to_committed(self) -> Mapping[TopicPartition, int | None]:
        consumer = self._ensure_consumer()
        found: Mapping[TopicPartition, int | None] = await consumer.seek_to_committed()
        for tp, offset in found.items():
            self._places.assigned(Partition(*tp), self._generation, offset)
        return found

    def _look_for_topics(self, consumer: aiokafka.AIOKafkaConsumer) -> None:
        """A topic that was deleted is asked for until it is back; aiokafka would look again in five minutes."""
        now_s = self.thread_loop.time()
        if now_s < self._looked_at_s + LOOK_AGAIN_S:
            return
        self._looked_at_s = now_s
        cluster = consumer._client.cluster
        gone = set(consumer.subscription()) - cluster.topics()
        for topic in self._missing.look(gone, cluster._last_successful_refresh_ms):
            self.log.error("Topic %s is not on the broker; nothing is read from it until it is there", topic)
        if gone:
            consumer._client.force_metadata_update()

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        # Faust's version crashes the app on any broker error; an uncommitted offset is merely committed later.
        consumer = self._ensure_consumer()
        held = consumer.assignment()
        found = {TopicPartition(*tp): OffsetAndMetadata(at, "") for tp, at in offsets.items()}
        found = {tp: at for tp, at in found.items() if tp in held}
        if not found:
            return False
        try:
            await consumer.commit(found)
        except CommitFailedError:
            self.log.info("Commit refused: the group has rebalanced")
            return False
        except (IllegalStateError, KafkaError) as error:
            self.log.warning("Commit failed, will be tried again: %r", error)
            return False
        for tp, at in found.items():
            self._places.committed(Partition(*tp), at.offset)
        return True


def _keep_raw(fetched: Any) -> None:
    # aiokafka would make a ConsumerRecord of each record, which costs more than parsing it did.
    if isinstance(fetched, FetchResult) and fetched.has_more():
        fetched._partition_records._consumer_record = _as_it_is


def _as_it_is(tp: TopicPartition, record: RawRecord) -> RawRecord:
    return record
