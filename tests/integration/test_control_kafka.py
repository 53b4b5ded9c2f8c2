"""Control topics on real Kafka: retention, and connections that break."""

import time

import pytest
from aiokafka import AIOKafkaProducer

from streamapp.errors import ConfigError
from tests.brokers import ApacheKafka
from tests.integration.control_cases import WITHIN_S, ControlCases, Reader, Room, Topic
from tests.kafka_io import create_topics

KEPT = {"retention.ms": "-1", "retention.bytes": "-1"}
BY_SENDERS = {"message.timestamp.type": "CreateTime"}


@pytest.fixture
def room(kafka_broker: ApacheKafka, topic: Topic) -> Room:
    return Room(kafka_broker.bootstrap_servers, topic("control"))


class TestControlOnKafka(ControlCases):
    async def test_a_log_that_would_lose_commands_is_refused(self, room: Room) -> None:
        await create_topics(room.bootstrap_servers, {room.topics.log: 1}, config={"cleanup.policy": "compact"})
        with pytest.raises(ConfigError, match="would lose commands"):
            await room.connection().prepare(WITHIN_S)

    async def test_the_log_has_the_brokers_times(self, room: Room) -> None:
        async with room.connected() as opened:
            sender = AIOKafkaProducer(bootstrap_servers=room.bootstrap_servers)
            await sender.start()
            before_ms = int(time.time() * 1000)
            await sender.send_and_wait(room.topics.log, b"of 1970", partition=0, timestamp_ms=1_000)
            await sender.stop()
            reader = Reader(opened)
            await reader.until(1)
            await reader.stop()
        assert reader.times_ms[0] >= before_ms

    async def test_a_log_with_the_senders_times_is_told(self, room: Room, caplog: pytest.LogCaptureFixture) -> None:
        await create_topics(room.bootstrap_servers, {room.topics.log: 1}, config=KEPT | BY_SENDERS)
        await room.connection().prepare(WITHIN_S)
        assert "message.timestamp.type=CreateTime, so pauses and analyses last by the clocks" in caplog.text

    async def test_a_log_made_by_us_passes(self, room: Room) -> None:
        async with room.connected() as opened:
            await opened.prepare(WITHIN_S)
