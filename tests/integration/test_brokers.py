"""The brokers that the other tests stand on: what goes in comes out, in order, also after a kill."""

from collections.abc import Callable

from streamapp.demo.broker import EmbeddedBroker
from tests.brokers import ApacheKafka
from tests.kafka_io import Outgoing, committed, create_topics, produce, read_all

HUNDRED = [Outgoing(b"%d" % number, key=b"k%d" % (number % 3), partition=number % 2) for number in range(100)]


async def test_embedded_broker_keeps_the_order_of_a_partition(
    embedded_broker: EmbeddedBroker, topic: Callable[[str], str]
) -> None:
    name = topic("events")
    await create_topics(embedded_broker.bootstrap_servers, {name: 2})
    await produce(embedded_broker.bootstrap_servers, name, HUNDRED)
    records = await read_all(embedded_broker.bootstrap_servers, name)
    assert [int(r.value or b"") for r in records] == [*range(0, 100, 2), *range(1, 100, 2)]


async def test_real_kafka_keeps_records_through_a_kill(kafka_broker: ApacheKafka, topic: Callable[[str], str]) -> None:
    name = topic("events")
    await create_topics(kafka_broker.bootstrap_servers, {name: 2}, config={"message.timestamp.type": "LogAppendTime"})
    await produce(kafka_broker.bootstrap_servers, name, HUNDRED)
    kafka_broker.kill()
    kafka_broker.start()
    records = await read_all(kafka_broker.bootstrap_servers, name)
    assert [int(r.value or b"") for r in records] == [*range(0, 100, 2), *range(1, 100, 2)]
    assert {r.timestamp_type for r in records} == {1}
    assert await committed(kafka_broker.bootstrap_servers, "nobody", name, 2) == {0: None, 1: None}
