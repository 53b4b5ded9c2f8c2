"""The worker's promises on the embedded broker."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from streamapp.demo.broker import EmbeddedBroker
from tests.integration.inside_cases import InsideCases
from tests.integration.worker_cases import Bench, WorkerCases


@pytest.fixture
async def bench(embedded_broker: EmbeddedBroker, tmp_path: Path, topic: Callable[[str], str]) -> AsyncIterator[Bench]:
    # The embedded broker lets a join take half the session timeout.
    found = Bench(
        embedded_broker.bootstrap_servers,
        tmp_path,
        topic,
        {"session.timeout.ms": 2000, "heartbeat.interval.ms": 400},
    )
    await found.create()
    yield found
    found.close()


class TestOnTheEmbeddedBroker(WorkerCases):
    kills = 1


class TestInsideOnTheEmbeddedBroker(InsideCases):
    pass
