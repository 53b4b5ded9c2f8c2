"""Exactly once for one input partition: the outputs of a stretch of input and its offset, in one transaction.

One transactional id per *input partition*, so that whoever is assigned a partition fences whoever held it before
(docs/decisions/transactions.md):

1. Fence: `InitProducerId` ends what was open under this id and bumps its epoch, so nobody else's transaction on
   this partition can commit from now on. What the broker forgot to end is ended (`hanging_transactions`): the group's
   offset first, so that it is stable, then the outputs: committed where they answer events below it, else aborted.
2. Write: the outputs of one batch that answer this partition go whole into the open transaction. Nobody waits for
   the broker to acknowledge them, as nothing counts before the commit.
3. Commit, every commit interval: once all is acknowledged, the offset after the last of them, then the transaction.
   Nothing more is written before its markers are seen: what the broker forgot would share the fate of what comes next.
4. Anything fails: the producer is dropped and 1 is done again. Now the stored offset says what became of the
   transaction. It is where the transaction was to bring it: committed. It is where the transaction began: what was
   written is written again. It is elsewhere: another worker took over, and this one starts over.
5. A record is refused for its size: from then on each write waits for its acknowledgement, so that the refusal
   reaches whoever can send a dead letter instead.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from aiokafka import AIOKafkaProducer
from aiokafka.errors import IllegalOperation, KafkaError, MessageSizeTooLargeError, ProducerFenced
from aiokafka.structs import OffsetAndMetadata, TopicPartition

from streamapp.encode.read_back import answered_event
from streamapp.errors import PublishError
from streamapp.kafka.hanging_transactions import (
    Covered,
    Hanging,
    ahead_of_account,
    committed_of,
    end,
    left_by_commit,
    look,
)
from streamapp.kafka.ledger import Partition, Span
from streamapp.kafka.log_batches import Written
from streamapp.kafka.sending import BatchSender, Rejected, connect, discard, without
from streamapp.kafka.stable_offsets import standing
from streamapp.types import Headers, OutgoingBatch, Place

log = logging.getLogger(__name__)

Result = TypeVar("Result")

STABLE_S = 1.0
"""For a committed offset to be stable once its transaction is over: the group's coordinator takes markers in a moment
after they were written."""


class StartOver(PublishError):
    """The partition is to be taken up anew, from its committed offset, by whoever is assigned it next."""


@dataclass(frozen=True, slots=True)
class Unit:
    """Outputs that answer a partition's input up to the end of `span`; written whole or not at all."""

    span: Span
    batches: tuple[OutgoingBatch, ...]


@dataclass(frozen=True, slots=True)
class Transactional:
    """What all transactions of a worker have in common.

    timeout_s: after which the broker aborts an open one. outputs: the topics that are written to. answered: where the
    event is that one of their records answers, by value and headers.
    """

    group: str
    options: Mapping[str, Any]
    timeout_s: float
    outputs: tuple[str, ...]
    answered: Callable[[bytes | None, Headers], Place | None] = answered_event

    def transactional_id(self, partition: Partition) -> str:
        """Of all transactions of one input partition."""
        return f"{self.group}:{partition.topic}:{partition.number}"  # no topic has a colon

    async def producer(self, partition: Partition, batch_bytes: int) -> AIOKafkaProducer:
        """A producer that has fenced every other of this partition. Raises `PublishError`, and `Refused` where the
        broker has no transactions or does not allow this one."""
        return await connect(
            self.options,
            batch_bytes,
            transactional_id=self.transactional_id(partition),
            transaction_timeout_ms=int(self.timeout_s * 1000),
        )

    async def output_partitions(self, producer: AIOKafkaProducer, source: Partition) -> set[TopicPartition]:
        """The partitions of the outputs that may answer events of `source`: the one of its number, and where an output
        has fewer, all, as keys decide there (`sending.output_partitions`). Raises `KafkaError`."""
        found = set()
        for topic in self.outputs:
            numbers = await producer.partitions_for(topic)
            found |= {TopicPartition(topic, n) for n in ({source.number} if source.number < len(numbers) else numbers)}
        return found


class PartitionTransactions:
    """The transactions of one partition in one generation of the group. Calls wait for each other.

    `fence` must have succeeded before anything else is called.
    """

    def __init__(self, partition: Partition, generation: int, common: Transactional, sender: BatchSender) -> None:
        self.generation = generation
        self.committed: int | None = None
        """Offset that the group has stored; None without one."""
        self._partition, self._common, self._sender = partition, common, sender
        self._turn = asyncio.Lock()
        self._producer: AIOKafkaProducer | None = None
        self._begun = False
        self._written: list[Unit] = []
        self._mark = (-1, -1)
        self._target: int | None = None
        self._over = False
        self._pending: list[asyncio.Future[Any]] = []

    async def fence(self) -> None:
        """End what an earlier holder left open, and learn the committed offset. Raises `PublishError`."""
        async with self._alone():
            self.committed = await self._connect()

    async def write(self, unit: Unit) -> None:
        """Write a unit in the open transaction; one that is written already is passed over.

        Raises `Rejected` (nothing of the unit counts as written), `StartOver` and `PublishError`.
        """
        async with self._alone():
            mark = (unit.span.log, unit.span.stop)
            if mark <= self._mark:
                return
            await self._put(await self._open(), unit)
            self._written.append(unit)
            self._mark = mark

    async def commit(self, settled: int | None) -> None:
        """Commit what is written; where that is nothing, the offset `settled`, if it is news: offsets without
        records were passed. Raises `StartOver` and `PublishError`."""
        async with self._alone():
            if not self._written and not self._is_news(settled):
                return
            producer = await self._open()
            if not self._written and not self._is_news(settled):
                return  # opening found out that the last attempt had gone through
            target = self._written[-1].span.stop if self._written else settled or 0
            offsets = {TopicPartition(*self._partition): OffsetAndMetadata(target, "")}
            await asyncio.gather(*self._pending)
            await producer.send_offsets_to_transaction(offsets, self._common.group)
            self._target = target
            outputs = set(producer._txn_manager.txn_partitions)
            await producer.commit_transaction()
            await self._in_time(self._confirm(producer, outputs))
            self._finish(target)

    async def close(self) -> None:
        """Disconnect. What is open stays so until it times out, or until the partition's next holder ends it."""
        self._over = True
        await self._drop()

    @asynccontextmanager
    async def _alone(self) -> AsyncIterator[None]:
        async with self._turn:
            try:
                yield
            except BaseException as error:
                fenced = isinstance(error, ProducerFenced) or self._ended_by_fencing()
                await self._drop()
                if fenced and isinstance(error, Exception):
                    self._over = True
                    raise StartOver(f"{self._name()} was taken over by another worker, or timed out") from error
                if isinstance(error, MessageSizeTooLargeError):
                    self._sender.careful = True
                # aiokafka asserts that it knows a broker, and that its own transaction is in order.
                if isinstance(error, (KafkaError, IllegalOperation, AssertionError)):
                    raise PublishError(f"the transaction of {self._name()} failed: {error!r}") from error
                raise

    async def _open(self) -> AIOKafkaProducer:
        """The producer, in a transaction that holds what was written."""
        if self._producer is None:
            await self._recover()
        producer = self._producer
        if producer is None or self._over:
            raise StartOver(f"{self._name()} is not held any more")
        if not self._begun:
            await producer.begin_transaction()
            self._begun = True
        return producer

    async def _recover(self) -> None:
        if self._over:
            return
        stored = await self._connect()
        if stored is not None and stored == self._target:
            self._finish(stored)
        elif stored != self.committed:
            self._over = True
            raise StartOver(f"{self._name()} stands at {stored}, not at {self.committed}: another worker had it")
        self._target = None
        if self._written:
            await self._write_again(await self._open())

    async def _write_again(self, producer: AIOKafkaProducer) -> None:
        try:
            for unit in self._written:
                await self._put(producer, unit)
        except Rejected as error:
            self._over = True
            raise StartOver(f"{self._name()}: what was written before is refused now: {error}") from error

    async def _connect(self) -> int | None:
        self._begun = False
        producer = await self._common.producer(self._partition, self._sender.batch_bytes)
        self._producer = producer
        return await self._in_time(self._settle(producer))

    async def _settle(self, producer: AIOKafkaProducer) -> int | None:
        """The committed offset, once nothing is open under this id."""
        outputs = await self._common.output_partitions(producer, self._partition)
        while True:
            stands = await standing(producer.client, self._common.group, self._partition, STABLE_S)
            places = await look(producer, outputs)
            covered = self._covered(stands.offset)
            if stands.pending:
                commit = await ahead_of_account(producer, places.ended, covered)
                await self._end(producer, Hanging(offsets=True), commit=commit)
            elif places.open:
                committed = await committed_of(producer, places.open, covered)
                await self._end(producer, Hanging(committed or places.open), commit=bool(committed))
            else:
                return stands.offset

    def _covered(self, offset: int | None) -> Covered:
        """Whether an output answers an event below the group's committed offset."""

        def covered(tp: TopicPartition, written: Written) -> bool:
            event = self._common.answered(written.value, written.headers)
            if event is None or Partition(event.topic, event.partition) != self._partition:
                raise PublishError(
                    f"{tp.topic} {tp.partition} holds a record of a transaction of {self._name()} that answers none of "
                    "its events, so whether it was committed cannot be told: end it with kafka-transactions.sh"
                )
            return offset is not None and event.offset < offset

        return covered

    async def _confirm(self, producer: AIOKafkaProducer, outputs: Collection[TopicPartition]) -> None:
        async def hangs() -> Hanging:
            stands = await standing(producer.client, self._common.group, self._partition, STABLE_S)
            return Hanging((await look(producer, outputs)).open, stands.pending)

        while found := await left_by_commit(producer, hangs):
            await self._end(producer, found, commit=True)

    async def _end(self, producer: AIOKafkaProducer, found: Hanging, *, commit: bool) -> None:
        outcome = "committed" if commit else "aborted"
        log.error("the broker left a transaction of %s open in %s: %s now", self._name(), found, outcome)
        await end(producer, found, self._common.group, commit=commit)

    async def _in_time(self, work: Coroutine[Any, Any, Result]) -> Result:
        """No longer than a transaction may take. Raises `PublishError`."""
        try:
            return await asyncio.wait_for(work, self._common.timeout_s)
        except asyncio.TimeoutError as error:
            raise PublishError(f"the broker did not say in time what is open of {self._name()}") from error

    async def _put(self, producer: AIOKafkaProducer, unit: Unit) -> None:
        if not self._sender.careful:
            await self._sender.enqueue(producer, unit.batches, self._pending)
            return
        sent = await self._sender.send(producer, unit.batches)
        if sent.refused:
            raise Rejected(sent.refused, without(unit.batches, sent.refused))
        if sent.error is not None:
            raise sent.error

    def _is_news(self, settled: int | None) -> bool:
        return settled is not None and (self.committed is None or settled > self.committed)

    def _ended_by_fencing(self) -> bool:
        task = self._producer._sender.sender_task if self._producer is not None else None
        return (
            task is not None and task.done() and not task.cancelled() and isinstance(task.exception(), ProducerFenced)
        )

    def _finish(self, committed: int) -> None:
        self.committed, self._target, self._begun = committed, None, False
        self._written.clear()
        self._pending.clear()

    async def _drop(self) -> None:
        producer, self._producer = self._producer, None
        self._begun = False
        if producer is not None:
            await discard(producer)
        for future in self._pending:
            future.add_done_callback(_seen)
        self._pending.clear()

    def _name(self) -> str:
        return f"{self._partition.topic}-{self._partition.number}"


def _seen(future: "asyncio.Future[Any]") -> None:
    """What became of a record batch is read off the stored offset: its own failure is nobody's news."""
    if not future.cancelled():
        future.exception()
