"""The worker's promises on real Kafka."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from tests.brokers import ApacheKafka
from tests.integration.inside_cases import InsideCases, OversizeCases
from tests.integration.worker_cases import PARTITIONS, PATIENCE_S, Bench, WorkerCases, disordered


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
    async def test_a_broker_that_dies_and_comes_back_costs_nothing(
        self, bench: Bench, kafka_broker: ApacheKafka, tmp_path: Path
    ) -> None:
        log = tmp_path / "batches"
        await bench.feed(2000)
        worker = bench.start({"batching": {"max_batch_size": 20, "max_queue_size": 200}}, slow_s=0.02, log=str(log))
        bench.wait_until_scoring(worker, log, batches=10)
        kafka_broker.kill()
        kafka_broker.start()
        answers = await bench.answers(2000)
        assert disordered(answers) == []
        assert worker.stop(grace_s=PATIENCE_S) == 0
        assert await bench.committed() == dict.fromkeys(range(PARTITIONS), 500)


class TestInsideOnKafka(InsideCases, OversizeCases):
    pass


class TestExactlyOnceOnKafka(TestOnKafka):
    @pytest.fixture
    def bench(self, bench: Bench) -> Bench:
        bench.delivery = "exactly_once"
        return bench


class TestInsideExactlyOnceOnKafka(TestInsideOnKafka):
    @pytest.fixture
    def bench(self, bench: Bench) -> Bench:
        bench.delivery = "exactly_once"
        return bench
