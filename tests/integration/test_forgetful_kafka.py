"""A broker that is down while a transaction ends, and comes back: Kafka 4.4.0 forgets the marker there."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.structs import OffsetAndMetadata, TopicPartition

from streamapp.kafka.ledger import Partition
from streamapp.kafka.sending import BATCH_BYTES, discard
from streamapp.kafka.transaction_queries import traces
from tests.brokers import ApacheKafka
from tests.integration.transaction_desk import Desk, is_about_to_commit
from tests.kafka_io import create_topics
from tests.two_brokers import SecondBroker

pytestmark = pytest.mark.newest_kafka
LEADERLESS_WITHIN_S = 20.0


@pytest.fixture(scope="module")
def first(kafka_broker: ApacheKafka, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApacheKafka]:
    with ApacheKafka(kafka_broker.version, tmp_path_factory.mktemp("first"), heap="256m") as broker:
        yield broker


@pytest.fixture
async def desk(first: ApacheKafka, topic: Callable[[str], str]) -> AsyncIterator[Desk]:
    found = Desk(first.bootstrap_servers, topic("events"), topic("predictions"), topic("group"))
    await create_topics(found.bootstrap_servers, {found.source: 1})
    # The topics of the coordinators are made by the first who need them: before there is another broker.
    producer = await found.common.producer(Partition(found.source, 0), BATCH_BYTES)
    async with producer.transaction():
        offsets = {TopicPartition(found.source, 0): OffsetAndMetadata(1, "")}
        await producer.send_offsets_to_transaction(offsets, found.group)
    await discard(producer)
    yield found
    for holder in found.holders:
        await holder.close()


@pytest.fixture
def second(first: ApacheKafka, desk: Desk, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecondBroker]:
    with SecondBroker(first, tmp_path_factory.mktemp("second")) as broker:
        yield broker


async def without_leader(producer: AIOKafkaProducer, tp: TopicPartition) -> None:
    while producer.client.cluster.leader_for_partition(tp) not in (None, -1):
        await producer.client.force_metadata_update()


@pytest.mark.parametrize("commit", [False, True])
async def test_what_kafka_forgets_is_ended_as_it_was_meant(desk: Desk, second: SecondBroker, commit: bool) -> None:
    """Half of a transaction's outputs are on the broker that is down; its worker dies, and so does the next one."""
    admin = AIOKafkaAdminClient(bootstrap_servers=desk.bootstrap_servers)
    await admin.start()
    try:
        homes = {desk.output: 2, desk.letters: 1}
        await admin.create_topics([NewTopic(t, -1, -1, replica_assignments={0: [node]}) for t, node in homes.items()])
    finally:
        await admin.close()
    gone = TopicPartition(desk.output, 0)
    before = await desk.holder()
    await before.write(desk.unit(1, 3))
    await before.write(desk.unit(3, 5, dead=True))
    producer = await is_about_to_commit(desk, before, 5)
    second.kill()
    await asyncio.wait_for(without_leader(producer, gone), LEADERLESS_WITHIN_S)
    if commit:
        await producer.commit_transaction()
    await desk.killed()
    second.start()
    known = await traces(producer.client, producer._txn_manager.producer_id, [gone])
    assert known[gone].begins == 0, "Kafka forgets nothing any more: this test shows nothing"
    after = await desk.holder()
    assert after.committed == (5 if commit else 1)
    assert await desk.stands() == (([1, 2, 3, 4], 5) if commit else ([], 1))
