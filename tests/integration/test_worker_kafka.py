"""The worker's promises on real Kafka."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from tests.brokers import ApacheKafka
from tests.integration.inside_cases import InsideCases, OversizeCases
from tests.integration.worker_cases import Bench, WorkerCases


@pytest.fixture
async def bench(kafka_broker: ApacheKafka, tmp_path: Path, topic: Callable[[str], str]) -> AsyncIterator[Bench]:
    found = Bench(
        kafka_broker.bootstrap_servers,
        tmp_path,
        topic,
        {"session.timeout.ms": 6000, "heartbeat.interval.ms": 500},
    )
    await found.create()
    yield found
    found.close()


class TestOnKafka(WorkerCases):
    pass


class TestInsideOnKafka(InsideCases, OversizeCases):
    pass
