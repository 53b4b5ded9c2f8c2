"""Topics, produce and read-to-the-end with aiokafka, for tests that look at a broker from outside."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from streamapp.kafka.ledger import Partition
from streamapp.kafka.stable_offsets import stable_offset


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One record to produce; without a partition the key decides."""

    value: bytes | None
    key: bytes | None = None
    partition: int | None = None
    headers: Sequence[tuple[str, bytes]] = field(default=())


async def create_topics(
    bootstrap_servers: str, topics: Mapping[str, int], *, config: Mapping[str, str] | None = None
) -> None:
    """Create topics, name -> partitions, each with the same `config`."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers)
    await admin.start()
    try:
        new = [NewTopic(name, count, 1, topic_configs=dict(config or {})) for name, count in topics.items()]
        await admin.create_topics(new, timeout_ms=20_000)
    finally:
        await admin.close()


async def produce(bootstrap_servers: str, topic: str, records: Iterable[Outgoing]) -> None:
    """Produce `records` and return once all of them are acknowledged."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap_servers, acks=1, linger_ms=5)
    await producer.start()
    try:
        sent = [
            await producer.send(topic, value=r.value, key=r.key, partition=r.partition, headers=list(r.headers))
            for r in records
        ]
        for future in sent:
            await future
    finally:
        await producer.stop()


async def read_all(bootstrap_servers: str, topic: str, *, committed_only: bool = False) -> list[ConsumerRecord]:
    """Every record between the beginning and the present end of `topic`, partition after partition, by offset."""
    consumer: AIOKafkaConsumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap_servers,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        isolation_level="read_committed" if committed_only else "read_uncommitted",
    )
    await consumer.start()
    try:
        await consumer._client.force_metadata_update()
        partitions = [TopicPartition(topic, number) for number in sorted(consumer.partitions_for_topic(topic) or ())]
        consumer.assign(partitions)
        await consumer.seek_to_beginning(*partitions)
        found: dict[TopicPartition, list[ConsumerRecord]] = {partition: [] for partition in partitions}
        while not all([await _at_end(consumer, partition, committed_only) for partition in partitions]):
            for partition, records in (await consumer.getmany(timeout_ms=200)).items():
                found[partition] += records
        return [record for partition in partitions for record in found[partition]]
    finally:
        await consumer.stop()


async def _at_end(consumer: AIOKafkaConsumer, partition: TopicPartition, committed_only: bool) -> bool:
    """Compared with the end that fetches report: the embedded broker answers the end-offset request wrongly."""
    end = consumer.last_stable_offset(partition) if committed_only else consumer.highwater(partition)
    return end is not None and await consumer.position(partition) >= end


async def committed(bootstrap_servers: str, group: str, topic: str, partitions: int) -> dict[int, int | None]:
    """Committed offset per partition of `topic`, once no transaction can change it any more; None where the group has
    committed nothing."""
    async with AIOKafkaConsumer(bootstrap_servers=bootstrap_servers) as reader:
        return {
            number: await stable_offset(reader._client, group, Partition(topic, number)) for number in range(partitions)
        }
