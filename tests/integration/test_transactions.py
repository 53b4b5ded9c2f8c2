"""The transactions of one input partition on real Kafka: who may commit, and what becomes of what was begun."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.errors import KafkaError
from aiokafka.producer.transaction_manager import TransactionManager
from aiokafka.structs import OffsetAndMetadata, TopicPartition

from streamapp.errors import PublishError
from streamapp.kafka.ledger import Partition
from streamapp.kafka.partition_transactions import PartitionTransactions, StartOver
from streamapp.kafka.sending import Rejected, discard
from streamapp.kafka.stable_offsets import stable_offset
from streamapp.types import Headers
from tests.brokers import ApacheKafka
from tests.integration.transaction_desk import Desk, commits_and_dies, is_about_to_commit
from tests.kafka_io import create_topics


@pytest.fixture
async def desk(credulous_broker: ApacheKafka, topic: Callable[[str], str]) -> AsyncIterator[Desk]:
    found = Desk(credulous_broker.bootstrap_servers, topic("events"), topic("predictions"), topic("group"))
    await create_topics(found.bootstrap_servers, {found.source: 1, found.output: 2, found.letters: 2})
    yield found
    for holder in found.holders:
        await holder.close()


Forgotten = Callable[..., Awaitable[TransactionManager]]


@pytest.fixture
def forgotten(desk: Desk) -> Forgotten:
    """Has a holder write, in what it does next, where the coordinator of its transaction knows nothing of: as if the
    coordinator had left the first output out when it ended the transaction, or the group's offsets, or both."""

    async def leave_out(
        holder: PartitionTransactions, outputs: bool = True, offsets: bool = False
    ) -> TransactionManager:
        producer = await holder._open()
        manager: TransactionManager = producer._txn_manager
        await producer.partitions_for(desk.source)
        manager.maybe_add_partition_to_txn(TopicPartition(desk.source, 0))  # what it does know of
        if outputs:
            manager._txn_partitions.add(TopicPartition(desk.output, 0))
        if offsets:
            await stable_offset(
                producer.client, desk.group, Partition(desk.source, 0)
            )  # what came before has its marker
            manager._txn_consumer_group = desk.group
        return manager

    return leave_out


def nothing(value: bytes | None, headers: Headers) -> None:
    """Where the event of a record is that is no answer."""


@asynccontextmanager
async def answer_lost(holder: PartitionTransactions) -> AsyncIterator[None]:
    """While it lasts, the answer to a commit of the transaction does not arrive though the broker did it."""
    await holder._open()
    producer = holder._producer
    assert producer is not None
    commit = producer.commit_transaction

    async def deaf() -> None:
        await commit()
        raise KafkaError("connection lost")

    producer.commit_transaction = deaf
    yield


async def test_outputs_and_offset_appear_together(desk: Desk) -> None:
    holder = await desk.holder()
    await holder.write(desk.unit(0, 3))
    await holder.write(desk.unit(3, 5))
    assert await desk.stands() == ([], None)
    await holder.commit(None)
    assert await desk.stands() == ([0, 1, 2, 3, 4], 5)
    assert holder.committed == 5


async def test_a_unit_is_written_once_however_often_it_is_offered(desk: Desk) -> None:
    holder = await desk.holder()
    for _ in range(2):
        await holder.write(desk.unit(0, 3))
        await holder.commit(None)
    assert await desk.stands() == ([0, 1, 2], 3)


async def test_offsets_without_records_are_committed_and_never_backwards(desk: Desk) -> None:
    holder = await desk.holder()
    await holder.commit(7)
    assert await desk.stored() == 7
    await holder.commit(5)
    assert await desk.stored() == 7


async def test_a_holder_that_was_fenced_publishes_nothing(desk: Desk) -> None:
    zombie = await desk.holder()
    await zombie.write(desk.unit(0, 3))
    owner = await desk.holder()
    with pytest.raises(StartOver, match="taken over by another"):
        await zombie.commit(None)
    await owner.write(desk.unit(0, 2))
    await owner.commit(None)
    with pytest.raises(StartOver):
        await zombie.write(desk.unit(3, 5))
    assert await desk.stands() == ([0, 1], 2)


async def test_a_zombie_that_connects_anew_sees_that_it_was_replaced(desk: Desk) -> None:
    zombie = await desk.holder()
    await zombie.write(desk.unit(0, 3))
    owner = await desk.holder()
    await owner.write(desk.unit(0, 2))
    await owner.commit(None)
    await zombie._drop()
    with pytest.raises(StartOver, match="stands at 2, not at None"):
        await zombie.commit(None)
    assert await desk.stands() == ([0, 1], 2)
    await owner.write(desk.unit(2, 4))
    with pytest.raises(StartOver):  # it was fenced by the zombie's attempt, and takes the partition up anew
        await owner.commit(None)
    assert await desk.stands() == ([0, 1], 2)


async def test_what_was_written_survives_the_connection(desk: Desk) -> None:
    holder = await desk.holder()
    await holder.write(desk.unit(0, 3))
    await holder._drop()
    await holder.write(desk.unit(3, 5))
    await holder.commit(None)
    assert await desk.stands() == ([0, 1, 2, 3, 4], 5)


async def test_a_commit_whose_answer_is_lost_is_not_done_again(desk: Desk) -> None:
    holder = await desk.holder()
    await holder.write(desk.unit(0, 3))
    async with answer_lost(holder):
        with pytest.raises(Exception, match="connection lost"):
            await holder.commit(None)
    await holder.write(desk.unit(3, 5))
    await holder.commit(None)
    assert await desk.stands() == ([0, 1, 2, 3, 4], 5)


async def test_a_commit_that_never_arrived_is_done_again(desk: Desk) -> None:
    holder = await desk.holder()
    await holder.write(desk.unit(0, 3))
    committing = asyncio.ensure_future(holder.commit(None))
    await asyncio.sleep(0)
    committing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await committing
    await holder.commit(None)
    assert await desk.stands() == ([0, 1, 2], 3)


async def test_a_record_that_is_too_large_takes_nothing_with_it(desk: Desk) -> None:
    large = desk.unit(3, 4, size=2_000_000)
    holder = await desk.holder()
    await holder.write(desk.unit(0, 3))
    await holder.write(large)
    with pytest.raises(PublishError, match="MessageSizeTooLarge"):
        await holder.commit(None)
    with pytest.raises(StartOver, match="refused now"):
        await holder.commit(None)
    again = await desk.holder()
    await again.write(desk.unit(0, 3))
    with pytest.raises(Rejected) as rejected:
        await again.write(large)
    assert [batch.rows.tolist() for batch in rejected.value.records] == [[0]]
    await again.write(desk.unit(3, 4))
    await again.commit(None)
    assert await desk.stands() == ([0, 1, 2, 3], 4)


async def test_record_batches_that_are_too_large_are_made_smaller(desk: Desk) -> None:
    desk.sender.batch_bytes = 4_000_000
    holder = await desk.holder()
    await holder.write(desk.unit(0, 40, size=50_000))
    while holder.committed is None:
        with suppress(PublishError):
            await holder.commit(None)
    assert await desk.stands() == (list(range(40)), 40)


async def test_what_the_broker_forgot_to_abort_is_aborted(desk: Desk, forgotten: Forgotten) -> None:
    before = await desk.holder()
    await forgotten(before)
    await before.write(desk.unit(0, 3))
    await asyncio.gather(*before._pending)
    after = await desk.holder()
    await after.write(desk.unit(0, 2))
    await after.commit(None)
    assert await desk.stands() == ([0, 1], 2)


async def test_offsets_that_the_broker_forgot_to_abort_hold_nobody_up(desk: Desk, forgotten: Forgotten) -> None:
    before = await desk.holder()
    await before.write(desk.unit(0, 4))
    await before.commit(None)
    await forgotten(before, outputs=False, offsets=True)
    await is_about_to_commit(desk, before, 9)
    after = await desk.holder()
    assert after.committed == 4
    await after.write(desk.unit(4, 6))
    await after.commit(None)
    assert await desk.stands() == ([0, 1, 2, 3, 4, 5], 6)


async def test_what_the_broker_forgot_to_commit_is_committed(desk: Desk, forgotten: Forgotten) -> None:
    holder = await desk.holder()
    await forgotten(holder)
    await holder.write(desk.unit(0, 3))
    await holder.commit(None)
    assert await desk.stands() == ([0, 1, 2], 3)
    await holder.write(desk.unit(3, 5))
    await holder.commit(None)
    assert await desk.stands() == ([0, 1, 2, 3, 4], 5)


async def test_a_forgotten_commit_whose_answer_was_lost_is_committed(desk: Desk, forgotten: Forgotten) -> None:
    holder = await desk.holder()
    async with answer_lost(holder):
        await forgotten(holder)
        await holder.write(desk.unit(0, 3))
        with pytest.raises(PublishError):
            await holder.commit(None)
    assert await desk.stands() == ([], 3)
    await holder.write(desk.unit(3, 5))
    await holder.commit(None)
    assert await desk.stands() == ([0, 1, 2, 3, 4], 5)


async def test_a_forgotten_commit_of_a_holder_that_died_is_committed(desk: Desk, forgotten: Forgotten) -> None:
    before = await desk.holder()
    await forgotten(before)
    await before.write(desk.unit(0, 3))
    await commits_and_dies(desk, before, 3)
    after = await desk.holder()
    assert after.committed == 3
    await after.write(desk.unit(3, 5))
    await after.commit(None)
    assert await desk.stands() == ([0, 1, 2, 3, 4], 5)


async def test_a_forgotten_commit_outlives_a_worker_that_dies_taking_over(desk: Desk, forgotten: Forgotten) -> None:
    before = await desk.holder()
    await forgotten(before)
    await before.write(desk.unit(0, 3))
    await commits_and_dies(desk, before, 3)
    await desk.killed()
    after = await desk.holder()
    assert after.committed == 3
    assert await desk.stands() == ([0, 1, 2], 3)


async def test_a_forgotten_commit_while_the_partition_is_taken_over_is_committed(
    desk: Desk, forgotten: Forgotten, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = await desk.holder()
    await forgotten(before)
    await before.write(desk.unit(0, 3))
    committing = await is_about_to_commit(desk, before, 3)
    start = AIOKafkaProducer.start

    async def late(producer: AIOKafkaProducer) -> None:
        """The next holder is about to fence the one before."""
        await committing.commit_transaction()
        await start(producer)

    monkeypatch.setattr(AIOKafkaProducer, "start", late)
    after = await desk.holder()
    assert after.committed == 3
    assert await desk.stands() == ([0, 1, 2], 3)


async def test_only_outputs_that_may_answer_a_partition_are_asked(desk: Desk) -> None:
    producer = await desk.common.producer(Partition(desk.source, 1), desk.sender.batch_bytes)
    asked = [await desk.common.output_partitions(producer, Partition(desk.source, number)) for number in (1, 2)]
    both = (desk.output, desk.letters)
    assert asked == [{TopicPartition(t, 1) for t in both}, {TopicPartition(t, n) for t in both for n in (0, 1)}]
    await discard(producer)


@pytest.mark.parametrize("commit", [False, True])
@pytest.mark.parametrize("killed", [False, True])
async def test_forgotten_offsets_follow_the_outputs_that_were_ended(
    desk: Desk, forgotten: Forgotten, commit: bool, killed: bool
) -> None:
    before = await desk.holder()
    await before.write(desk.unit(0, 2))
    await before.write(desk.unit(2, 4, dead=True))
    await before.commit(None)
    await forgotten(before, offsets=True)
    await before.write(desk.unit(4, 6))
    await before.write(desk.unit(6, 8, dead=True))  # of this the coordinator knows
    await (commits_and_dies if commit else is_about_to_commit)(desk, before, 8)
    if killed:
        await desk.killed()
    after = await desk.holder()
    assert after.committed == (8 if commit else 4)
    assert await desk.stands() == (([0, 1, 4, 5, 2, 3, 6, 7], 8) if commit else ([0, 1, 2, 3], 4))


async def test_a_commit_that_was_forgotten_everywhere_and_not_confirmed_is_done_again_by_its_holder(
    desk: Desk, forgotten: Forgotten
) -> None:
    holder = await desk.holder()
    confirm = holder._confirm

    async def lost(producer: AIOKafkaProducer, outputs: Collection[TopicPartition]) -> None:
        raise KafkaError("connection lost")

    await forgotten(holder, offsets=True)
    await holder.write(desk.unit(0, 3))
    holder._confirm = lost  # type: ignore[method-assign]
    with pytest.raises(PublishError, match="connection lost"):
        await holder.commit(None)
    holder._confirm = confirm  # type: ignore[method-assign]
    await holder.write(desk.unit(3, 5))
    await holder.commit(None)
    assert await desk.stands() == ([0, 1, 2, 3, 4], 5)


async def test_a_commit_that_was_forgotten_everywhere_is_done_again(desk: Desk, forgotten: Forgotten) -> None:
    before = await desk.holder()
    await forgotten(before, offsets=True)
    await before.write(desk.unit(0, 3))
    await commits_and_dies(desk, before, 3)
    after = await desk.holder()
    assert after.committed is None
    assert await desk.stands() == ([], None)
    await after.write(desk.unit(0, 2))
    await after.commit(None)
    assert await desk.stands() == ([0, 1], 2)


async def test_what_hangs_and_is_no_answer_is_left_to_people(desk: Desk, forgotten: Forgotten) -> None:
    before = await desk.holder()
    await forgotten(before)
    await before.write(desk.unit(0, 3))
    await commits_and_dies(desk, before, 3)
    after = PartitionTransactions(Partition(desk.source, 0), 1, replace(desk.common, answered=nothing), desk.sender)
    with pytest.raises(PublishError, match="answers none of its events"):
        await after.fence()


async def test_what_was_aborted_after_a_forgotten_commit_stays_aborted(desk: Desk, forgotten: Forgotten) -> None:
    """Two holders in a row, and the second one could not say any more what became of the first one's."""
    first = await desk.holder()
    await forgotten(first)
    await first.write(desk.unit(0, 3))
    await commits_and_dies(desk, first, 3)
    second = await desk.holder()
    await forgotten(second)
    await second.write(desk.unit(3, 5))
    await asyncio.gather(*second._pending)
    third = await desk.holder()
    assert third.committed == 3
    assert await desk.stands() == ([0, 1, 2], 3)


async def test_the_stable_offset_is_not_read_while_a_transaction_may_change_it(desk: Desk) -> None:
    holder = await desk.holder()
    await holder.commit(4)
    producer = await holder._open()
    await producer.send_offsets_to_transaction({TopicPartition(desk.source, 0): OffsetAndMetadata(9, "")}, desk.group)
    reader = AIOKafkaConsumer(bootstrap_servers=desk.bootstrap_servers, group_id=desk.group, enable_auto_commit=False)
    await reader.start()
    try:
        reader.assign([TopicPartition(desk.source, 0)])
        assert await reader.committed(TopicPartition(desk.source, 0)) == 4  # what aiokafka's own request answers
        reading = asyncio.ensure_future(stable_offset(reader._client, desk.group, Partition(desk.source, 0)))
        done, _ = await asyncio.wait([reading], timeout=0.5)
        assert not done
        await producer.commit_transaction()
        assert await reading == 9
    finally:
        await reader.stop()
