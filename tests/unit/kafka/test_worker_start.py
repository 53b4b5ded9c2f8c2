"""A worker whose broker is not there, or is silent."""

import asyncio
import socket
from collections.abc import Iterator

import pytest

from streamapp.config.settings import PipelineSettings
from streamapp.demo.broker import free_port
from streamapp.errors import BrokerUnavailable
from streamapp.kafka.worker import Worker
from tests.integration.stub_worker import EchoPath


def settings(port: int, broker_wait_s: float) -> PipelineSettings:
    return PipelineSettings.model_validate(
        {
            "name": "p",
            "kafka": {"bootstrap.servers": f"127.0.0.1:{port}"},
            "source": {"topics": ["events"]},
            "event": {"id": "id", "fields": {"id": {"dtype": "string"}}},
            "variants": {"v": {"model": {"name": "m", "path": "m"}, "inputs": {}, "outputs": {"s": {"tensor": "y"}}}},
            "predictions": {"topic": "predictions"},
            "dead_letters": {"topic": "dead"},
            "worker": {"broker_wait_s": broker_wait_s},
        }
    )


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port that accepts connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


async def test_it_can_be_stopped_while_it_waits_for_the_broker() -> None:
    worker = Worker(settings(free_port(), 600), EchoPath())
    running = asyncio.ensure_future(worker.run())
    asyncio.get_running_loop().call_later(0.1, worker.stop)
    await asyncio.wait_for(running, 10)
    assert running.done()


async def test_a_silent_broker_does_not_outlast_the_limit(silent_port: int) -> None:
    with pytest.raises(BrokerUnavailable, match="no Kafka broker answered"):
        await asyncio.wait_for(Worker(settings(silent_port, 0.5), EchoPath()).run(), 10)
