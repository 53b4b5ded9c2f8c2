"""Control topics on the embedded broker."""

import pytest

from streamapp.demo.broker import EmbeddedBroker
from tests.integration.control_cases import ControlCases, Room, Topic


@pytest.fixture
def room(embedded_broker: EmbeddedBroker, topic: Topic) -> Room:
    return Room(embedded_broker.bootstrap_servers, topic("control"))


class TestControlOnTheEmbeddedBroker(ControlCases):
    pass
