"""Transactions that the broker has forgotten to end in some partition.

Where a partition has no leader at the moment when a transaction ends, Kafka 4.4.0 takes it for deleted, writes no
marker there and calls the transaction complete (docs/decisions/hanging-transactions.md). What was written stays open:
it holds up `read_committed` readers, and the next transaction of the same producer id decides about it as well.
"""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from aiokafka import AIOKafkaProducer
from aiokafka.structs import TopicPartition

from streamapp.kafka.ledger import Partition
from streamapp.kafka.stable_offsets import stable_offset
from streamapp.kafka.transaction_queries import latest_transaction, open_transactions

STABLE_S = 1.0
"""For a committed offset to be stable once its transaction is over: the group's coordinator takes markers in a moment
after they were written."""


@dataclass(frozen=True, slots=True)
class Hanging:
    """What is open of a transaction that is over.

    outputs: partitions, and the offset at which the open transaction begins. offsets: whether the group's committed
    offset is still pending.
    """

    outputs: Mapping[TopicPartition, int] = field(default_factory=dict)
    offsets: bool = False

    def __bool__(self) -> bool:
        return bool(self.outputs) or self.offsets

    def __str__(self) -> str:
        places = [f"{tp.topic} {tp.partition}" for tp in sorted(self.outputs)]
        return ", ".join([*places, "the group's offsets"] if self.offsets else places)

    def also_in(self, other: "Hanging") -> "Hanging":
        """What is open here and, since the same offset, in `other`."""
        outputs = dict(self.outputs.items() & other.outputs.items())
        return Hanging(outputs, self.offsets and other.offsets)


NOTHING = Hanging()


@dataclass(frozen=True, slots=True)
class Places:
    """Where the transactions of one transactional id leave their marks."""

    transactional_id: str
    group: str
    source: Partition
    outputs: tuple[str, ...]

    async def partitions(self, producer: AIOKafkaProducer) -> set[TopicPartition]:
        """Every partition of the outputs. Raises `KafkaError`."""
        return {TopicPartition(topic, n) for topic in self.outputs for n in await producer.partitions_for(topic)}


async def look(
    producer: AIOKafkaProducer, producer_id: int, places: Places, outputs: Iterable[TopicPartition]
) -> tuple[Hanging, int | None]:
    """What is open of a producer id none of whose transactions is under way, and the stable committed offset: None
    without one, or where it is pending.

    Waits for partitions without a leader: the caller brings the time limit. Raises `KafkaError`.
    """
    offset, pending = None, False
    try:
        offset = await asyncio.wait_for(stable_offset(producer.client, places.group, places.source), STABLE_S)
    except asyncio.TimeoutError:
        pending = True
    return Hanging(await open_transactions(producer.client, producer_id, outputs), pending), offset


async def forgotten_commit(producer: AIOKafkaProducer, places: Places) -> Hanging:
    """What the id's latest transaction left open, if that was committed.

    Call it before the producer is started: `InitProducerId` makes the coordinator forget whether it was. Waits and
    raises as `look`.
    """
    latest = await latest_transaction(producer.client, places.transactional_id)
    if latest is None or latest.state != "CompleteCommit":
        return NOTHING
    found, _ = await look(producer, latest.producer_id, places, await places.partitions(producer))
    return found


async def left_by_commit(producer: AIOKafkaProducer, places: Places, outputs: Iterable[TopicPartition]) -> Hanging:
    """What a commit of this producer left open of `outputs`, once all its markers are written but those that the
    broker forgot. Waits and raises as `look`."""
    written = tuple(outputs)
    found, _ = await look(producer, producer._txn_manager.producer_id, places, written)
    if found:
        await latest_transaction(producer.client, places.transactional_id)
        found, _ = await look(producer, producer._txn_manager.producer_id, places, written)
    return found


async def end(producer: AIOKafkaProducer, hanging: Hanging, places: Places, *, commit: bool) -> None:
    """Commit or abort what hangs: with a transaction that writes nothing in the same places, so that its markers end
    what came before. They are written when this returns. Raises `KafkaError`."""
    manager = producer._txn_manager
    await producer.begin_transaction()
    for tp in hanging.outputs:
        manager.maybe_add_partition_to_txn(tp)
    while hanging.offsets and manager._txn_consumer_group is None and manager.is_in_transaction():
        await producer._sender._do_add_offsets_to_txn(places.group)
    await (producer.commit_transaction() if commit else producer.abort_transaction())
    await latest_transaction(producer.client, places.transactional_id)
