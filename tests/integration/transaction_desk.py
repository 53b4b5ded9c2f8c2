"""Those who take an input partition over from each other, and what a reader sees of their transactions."""

import asyncio
from dataclasses import dataclass, field

import numpy as np
from aiokafka import AIOKafkaProducer
from aiokafka.structs import OffsetAndMetadata, TopicPartition

from streamapp.kafka.ledger import Partition, Span
from streamapp.kafka.partition_transactions import PartitionTransactions, Transactional, Unit
from streamapp.kafka.sending import BatchSender, discard
from streamapp.types import Headers, OutgoingBatch, Place
from tests.kafka_io import committed, read_all


@dataclass
class Desk:
    """An input partition, two output topics, and those who take the partition over from each other."""

    bootstrap_servers: str
    source: str
    output: str
    group: str
    holders: list[PartitionTransactions] = field(default_factory=list)
    sender: BatchSender = field(default_factory=BatchSender)

    @property
    def letters(self) -> str:
        """The second output topic."""
        return f"{self.output}.dead"

    @property
    def common(self) -> Transactional:
        """Of a worker of its own each time."""
        options = {"bootstrap_servers": self.bootstrap_servers}
        return Transactional(self.group, options, 10.0, (self.output, self.letters), self.answered)

    def answered(self, value: bytes | None, headers: Headers) -> Place:
        """A value is the offset of the event that it answers."""
        return Place(self.source, 0, int(value or b""))

    async def killed(self) -> None:
        """One more worker takes the partition over, and dies as soon as it has fenced those before."""
        await discard(await self.common.producer(Partition(self.source, 0), self.sender.batch_bytes))

    async def holder(self) -> PartitionTransactions:
        """One more holder, who has fenced those before."""
        found = PartitionTransactions(Partition(self.source, 0), len(self.holders), self.common, self.sender)
        self.holders.append(found)
        await found.fence()
        return found

    def unit(self, start: int, stop: int, size: int = 1, *, dead: bool = False) -> Unit:
        n = stop - start
        values = [b"%d" % i + b" " * size for i in range(start, stop)]
        rows, partitions = np.arange(n, dtype=np.int64), np.zeros(n, np.int32)
        batch = OutgoingBatch(self.letters if dead else self.output, rows, partitions, [None] * n, values, [()] * n)
        return Unit(Span(Partition(self.source, 0), 0, start, stop), (batch,))

    async def stands(self) -> tuple[list[int], int | None]:
        """What a `read_committed` reader has, and the committed offset. The offset comes first, as a commit is
        answered before its markers are written: they are once the offset is stable."""
        offset = await self.stored()
        outputs = (self.output, self.letters)
        found = [await read_all(self.bootstrap_servers, topic, committed_only=True) for topic in outputs]
        return [int(record.value) for records in found for record in records], offset

    async def stored(self) -> int | None:
        return (await committed(self.bootstrap_servers, self.group, self.source, 1))[0]


async def is_about_to_commit(desk: Desk, holder: PartitionTransactions, offset: int) -> AIOKafkaProducer:
    """All of the transaction but its end."""
    producer: AIOKafkaProducer = await holder._open()
    await asyncio.gather(*holder._pending)
    await producer.send_offsets_to_transaction(
        {TopicPartition(desk.source, 0): OffsetAndMetadata(offset, "")}, desk.group
    )
    return producer


async def commits_and_dies(desk: Desk, holder: PartitionTransactions, offset: int) -> None:
    """A commit after which the holder finds out nothing."""
    await (await is_about_to_commit(desk, holder, offset)).commit_transaction()
