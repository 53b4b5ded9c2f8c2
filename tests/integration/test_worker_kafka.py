"""The worker's promises on real Kafka."""

import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from streamapp.kafka.ledger import Partition
from streamapp.kafka.partition_transactions import Transactional
from streamapp.kafka.sending import BATCH_BYTES, discard
from streamapp.kafka.worker import Worker
from tests.brokers import ApacheKafka
from tests.integration.inside_cases import InsideCases, OversizeCases, running
from tests.integration.stub_worker import EchoPath
from tests.integration.worker_cases import PARTITIONS, PATIENCE_S, Bench, WorkerCases, disordered, repeats


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
    async def test_the_lag_grows_with_the_log_while_what_was_fetched_is_not_through(self, bench: Bench) -> None:
        # The embedded broker does not say where a log ends.
        await bench.feed(1000)
        batching = {"max_batch_size": 16, "max_queue_size": 64}
        worker = Worker(bench.parsed(batching=batching), EchoPath(bench.predictions, slow_s=0.5))
        async with running(worker):
            while not worker.stats().pauses:
                await bench.all_answers()
            await bench.feed(1000)
            deadline_s = time.monotonic() + PATIENCE_S
            while sum(lag := worker.stats().lag.values()) <= 1000:
                assert time.monotonic() < deadline_s, lag
                await bench.all_answers()


class TestExactlyOnceOnKafka(TestOnKafka):
    @pytest.fixture
    def bench(self, bench: Bench) -> Bench:
        bench.delivery = "exactly_once"
        return bench

    async def test_workers_that_are_fenced_start_over(self, bench: Bench, tmp_path: Path) -> None:
        log = tmp_path / "batches"
        await bench.feed(4000)
        sections = {"batching": {"max_batch_size": 20, "max_queue_size": 400}}
        for _ in range(2):
            worker = bench.start(sections, slow_s=0.02, log=str(log))
            bench.wait_until_scoring(worker, log, batches=5)
        common = Transactional(bench.group, {"bootstrap_servers": bench.bootstrap_servers}, 10.0, ())
        for round_ in range(1, 4):
            for number in range(PARTITIONS):
                await discard(await common.producer(Partition(bench.events, number), BATCH_BYTES))
            bench.wait_until_scoring(worker, log, batches=log.read_text().count("batch") + 10 * round_)
        answers = await bench.answers(4000)
        assert any("joining the group anew" in bench.said(worker) for worker in bench.workers)
        assert [worker.stop(grace_s=PATIENCE_S) for worker in bench.workers] == [0, 0]
        assert repeats(answers) == 0
        assert disordered(answers) == []
        assert await bench.committed() == dict.fromkeys(range(PARTITIONS), 1000)


class TestInsideExactlyOnceOnKafka(TestInsideOnKafka):
    @pytest.fixture
    def bench(self, bench: Bench) -> Bench:
        bench.delivery = "exactly_once"
        return bench
