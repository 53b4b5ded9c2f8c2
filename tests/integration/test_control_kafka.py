"""Control topics on real Kafka: retention, and connections that break."""

import pytest

from streamapp.errors import ConfigError
from tests.brokers import ApacheKafka
from tests.integration.control_cases import WITHIN_S, ControlCases, Room, Topic
from tests.kafka_io import create_topics


@pytest.fixture
def room(kafka_broker: ApacheKafka, topic: Topic) -> Room:
    return Room(kafka_broker.bootstrap_servers, topic("control"))


class TestControlOnKafka(ControlCases):
    async def test_a_log_that_would_lose_commands_is_refused(self, room: Room) -> None:
        await create_topics(room.bootstrap_servers, {room.topics.log: 1}, config={"cleanup.policy": "compact"})
        with pytest.raises(ConfigError, match="would lose commands"):
            await room.connection().prepare(WITHIN_S)

    async def test_a_log_made_by_us_passes(self, room: Room) -> None:
        async with room.connected() as opened:
            await opened.prepare(WITHIN_S)
