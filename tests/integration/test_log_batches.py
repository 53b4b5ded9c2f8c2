"""What lies in a log of real Kafka: a transaction's records and how it ended, among many of others."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from aiokafka.structs import TopicPartition

from streamapp.kafka.log_batches import first_written, last_committed
from streamapp.kafka.transaction_queries import latest_transaction, traces
from tests.brokers import ApacheKafka
from tests.kafka_io import create_topics

OTHERS = 1_500
"""More than are looked at at first."""


@asynccontextmanager
async def started(broker: ApacheKafka, transactional_id: str | None = None) -> AsyncIterator[AIOKafkaProducer]:
    producer = AIOKafkaProducer(bootstrap_servers=broker.bootstrap_servers, transactional_id=transactional_id)
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()


async def others(producer: AIOKafkaProducer, tp: TopicPartition) -> None:
    for _ in range(OTHERS):
        builder = producer.create_batch()
        builder.append(key=None, value=b"of others", timestamp=None)
        last = await producer.send_batch(builder, tp.topic, partition=tp.partition)
    await last


async def of_transaction(producer: AIOKafkaProducer, tp: TopicPartition, value: bytes) -> None:
    await producer.begin_transaction()
    await producer.send_and_wait(tp.topic, value, partition=tp.partition, headers=[("a", b"b")])


@pytest.fixture
async def tp(kafka_broker: ApacheKafka, topic: Callable[[str], str]) -> TopicPartition:
    found = TopicPartition(topic("log"), 0)
    await create_topics(kafka_broker.bootstrap_servers, {found.topic: 1})
    return found


@pytest.mark.parametrize("commit", [False, True])
async def test_the_last_transaction_is_found_by_when_it_ended(
    kafka_broker: ApacheKafka, tp: TopicPartition, commit: bool
) -> None:
    async with started(kafka_broker, tp.topic) as producer, started(kafka_broker) as other:
        producer_id = producer._txn_manager.producer_id

        async def last() -> bytes | None:
            trace = (await traces(producer.client, producer_id, [tp]))[tp]
            found = await last_committed(producer.client, tp, producer_id, trace.last_ms)
            return found and found.value

        await of_transaction(producer, tp, b"first")
        await producer.commit_transaction()
        await others(other, tp)
        await of_transaction(producer, tp, b"second")
        await others(other, tp)
        await (producer.commit_transaction() if commit else producer.abort_transaction())
        await latest_transaction(producer.client, tp.topic)  # its marker is written
        await others(other, tp)
        assert await last() == (b"second" if commit else None)


async def test_the_first_record_of_a_producer_is_found_beyond_what_retention_took(
    kafka_broker: ApacheKafka, tp: TopicPartition
) -> None:
    async with started(kafka_broker, tp.topic) as producer, started(kafka_broker) as other:
        client, producer_id = producer.client, producer._txn_manager.producer_id
        await of_transaction(producer, tp, b"first")
        await others(other, tp)
        await producer.send_and_wait(tp.topic, b"second", partition=0)
        begins = (await traces(client, producer_id, [tp]))[tp].begins
        found = await first_written(client, tp, producer_id, begins)
        assert found == (None, b"first", [("a", b"b")])
        admin = AIOKafkaAdminClient(bootstrap_servers=kafka_broker.bootstrap_servers)
        await admin.start()
        try:
            await admin.delete_records({tp: RecordsToDelete(before_offset=2)})
            found = await first_written(client, tp, producer_id, begins)
            assert found is not None
            assert found.value == b"second"
            await admin.delete_records({tp: RecordsToDelete(before_offset=OTHERS + 2)})
            assert await first_written(client, tp, producer_id, begins) is None
        finally:
            await admin.close()
        await producer.abort_transaction()
