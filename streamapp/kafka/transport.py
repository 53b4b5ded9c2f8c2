"""Faust's aiokafka transport, handing whole fetches to agents: one `Chunk` of columns per partition and fetch.

Stock Faust delivers record by record and acknowledges too early in several ways
(docs/decisions/whole-fetches.md and own-acknowledgement.md). What is overridden here and in `fetching`, pinned by
tests/contract/test_faust_hooks.py: how records are drained, what is committed, what a rebalance waits for.
"""

import asyncio
from collections import deque
from collections.abc import Mapping
from typing import Any, ClassVar

import faust
from aiokafka.structs import TopicPartition
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage

from streamapp.kafka.chunk import Chunk, Intake
from streamapp.kafka.fetching import BatchConsumerThread
from streamapp.kafka.ledger import Partition, Span


class BatchTopic(faust.Topic):  # type: ignore[misc]
    """A topic whose items are chunks, passed on as they are."""

    def _compile_decode(self) -> None:
        # `decode` is an attribute of the instance, set by this method: overriding `decode` itself has no effect.
        app = self.app

        async def decode(message: Any, *, propagate: bool = False) -> Any:
            return app.create_event(None, message.value, None, message)

        self.decode = decode


class BatchConsumer(driver.Consumer):  # type: ignore[misc]
    """Delivers chunks, commits what the worker's ledger says, and nothing else."""

    mundane_level = "debug"  # starting and stopping is not news
    _thread: BatchConsumerThread

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.intake: Intake = self.transport.intake
        self._arrived = (-1, 0)
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

    def stored(self, offsets: Mapping[Partition, int]) -> None:
        """These offsets were committed by others than `Store`: in transactions."""
        self._thread.stored(offsets)

    def rejoin(self) -> None:
        """Have all partitions assigned anew."""
        self._thread.rejoin()

    async def seek_back(self, span: Span, offset: int) -> None:
        """A chunk was dropped though its partition is held: have it again."""
        await self._thread.seek_back(TopicPartition(*span.partition), span.generation, offset)

    def arrived(self, chunk: Chunk) -> None:
        """An agent has passed this chunk on, and whoever took it counts its rows from now on."""
        generation = self._thread.generation
        if chunk.span.generation == generation:
            self._arrived = (generation, self.arrived_rows(generation) + len(chunk.records))

    def arrived_rows(self, generation: int) -> int:
        """Rows that agents have passed on in this generation. Any thread."""
        known, rows = self._arrived
        return rows if known == generation else 0

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
        return await self.intake.commit()

    async def store(self, offsets: Mapping[Partition, int]) -> bool:
        """Commit these offsets as a member of the group; False where that failed, and may be tried again."""
        return bool(await self._commit({TP(*partition): at for partition, at in offsets.items()}))

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
        await self.intake.assigned([Partition(*tp) for tp in assigned], generation_id)
        await super().on_partitions_assigned(assigned, generation_id)

    def verify_event_path(self, now: float, tp: TP) -> None:
        """Faust's stall alarm compares clocks of two kinds and cannot fire; the worker watches its own progress."""

    def position_and_end(self) -> dict[Partition, tuple[int, int]]:
        """Partition -> (offset consumed up to, end of the log as of a moment ago); unknown ones left out."""
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
