"""Transactions that the broker has forgotten to end in some partition.

Where a partition has no leader at the moment when a transaction ends, Kafka 4.4.0 takes it for deleted, writes no
marker there and calls the transaction complete (docs/decisions/hanging-transactions.md). What was written stays open:
it holds up `read_committed` readers, and the next transaction of the same producer id decides about it as well.

What is open of a producer id is of one transaction, as none follows another whose markers were not seen. Whether that
was committed is read off the *account* that every transaction brings up to date with what it writes: the group's
offset, or the markers of a replay. A record that the account covers was committed.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from aiokafka import AIOKafkaProducer
from aiokafka.structs import TopicPartition

from streamapp.kafka.log_batches import Written, first_written, last_committed
from streamapp.kafka.transaction_queries import Trace, latest_transaction, traces

Covered = Callable[[TopicPartition, Written], bool]
"""Whether the account covers what a record of that partition says."""


@dataclass(frozen=True, slots=True)
class Hanging:
    """What is open of a transaction that is over.

    places: partitions, and the offset at which the open transaction begins. offsets: whether the group's committed
    offset is still pending.
    """

    places: Mapping[TopicPartition, int] = field(default_factory=dict)
    offsets: bool = False

    def __bool__(self) -> bool:
        return bool(self.places) or self.offsets

    def __str__(self) -> str:
        places = [f"{tp.topic} {tp.partition}" for tp in sorted(self.places)]
        return ", ".join([*places, "the group's offsets"] if self.offsets else places)


class Places(NamedTuple):
    """Partitions that know a producer id: those where a transaction is open, and those where the last one ended."""

    open: Mapping[TopicPartition, int]
    ended: Mapping[TopicPartition, Trace]


async def look(producer: AIOKafkaProducer, partitions: Iterable[TopicPartition]) -> Places:
    """Where the producer's id is known, while none of its transactions is under way.

    Waits for partitions without a leader: the caller brings the time limit. Raises `KafkaError`.
    """
    found = await traces(producer.client, producer._txn_manager.producer_id, partitions)
    return Places(
        {tp: trace.begins for tp, trace in found.items() if trace.begins >= 0},
        {tp: trace for tp, trace in found.items() if trace.begins < 0},
    )


async def committed_of(
    producer: AIOKafkaProducer, places: Mapping[TopicPartition, int], covered: Covered
) -> dict[TopicPartition, int]:
    """Those of the open `places` whose transaction was committed: its first record is covered. Waits and raises as
    `look`."""
    producer_id = producer._txn_manager.producer_id
    found = {}
    for tp, begins in places.items():
        first = await first_written(producer.client, tp, producer_id, begins)
        if first is not None and covered(tp, first):
            found[tp] = begins
    return found


async def ahead_of_account(producer: AIOKafkaProducer, ended: Mapping[TopicPartition, Trace], covered: Covered) -> bool:
    """Whether something is committed that the account does not cover: then the transaction in which the account is open
    was committed. If not, nobody has seen anything of it, and it may as well be aborted. Waits and raises as `look`."""
    producer_id = producer._txn_manager.producer_id
    for tp, trace in ended.items():
        last = await last_committed(producer.client, tp, producer_id, trace.last_ms)
        if last is not None and not covered(tp, last):
            return True
    return False


async def left_by_commit(producer: AIOKafkaProducer, look: Callable[[], Awaitable[Hanging]]) -> Hanging:
    """What a commit left open of where `look` looks, once all its markers are written but those that the broker
    forgot. Waits and raises as `look`."""
    found = await look()
    if found:
        await _markers_written(producer)
        found = await look()
    return found


async def end(producer: AIOKafkaProducer, hanging: Hanging, group: str = "", *, commit: bool) -> None:
    """Commit or abort what hangs: with a transaction that writes nothing in the same places, so that its markers end
    what came before. Returns once they are written, but those that the broker forgets. Raises `KafkaError`."""
    manager = producer._txn_manager
    await producer.begin_transaction()
    for tp in hanging.places:
        manager.maybe_add_partition_to_txn(tp)
    while hanging.offsets and manager._txn_consumer_group is None and manager.is_in_transaction():
        await producer._sender._do_add_offsets_to_txn(group)
    await (producer.commit_transaction() if commit else producer.abort_transaction())
    await _markers_written(producer)


async def _markers_written(producer: AIOKafkaProducer) -> None:
    await latest_transaction(producer.client, producer._txn_manager.transactional_id)
