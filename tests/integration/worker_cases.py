"""What a worker promises, as cases that run on the embedded broker and on real Kafka alike."""

import json
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from streamapp.config.settings import PipelineSettings
from streamapp.demo.child import ChildProcess
from tests.kafka_io import Outgoing, committed, create_topics, produce, read_all

PARTITIONS = 4
SCRIPT = Path(__file__).parent / "stub_worker.py"
PATIENCE_S = 40.0


@dataclass
class Bench:
    """A broker, topics of its own, and workers of one pipeline as processes."""

    bootstrap_servers: str
    folder: Path
    topic: Callable[[str], str]
    kafka: dict[str, Any] = field(default_factory=dict)
    delivery: str = "at_least_once"
    workers: list[ChildProcess] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.events, self.predictions = self.topic("events"), self.topic("predictions")
        self.dead_letters, self.outcomes = self.topic("dead"), self.topic("outcomes")
        self.group = self.topic("group")
        self.produced = 0

    async def create(self) -> None:
        names = [self.events, self.predictions, self.dead_letters, self.outcomes]
        await create_topics(self.bootstrap_servers, dict.fromkeys(names, PARTITIONS))

    def settings(self, **sections: Any) -> dict[str, Any]:
        model = {"model": {"name": "m", "path": "m.onnx"}, "weight": 1, "inputs": {"x": "id"}}
        return {
            "name": self.group,
            "kafka": {"bootstrap.servers": self.bootstrap_servers, **self.kafka},
            "source": {"topics": [self.events]},
            "event": {"id": "id", "fields": {"id": {"dtype": "string"}}},
            "variants": {"stub": {**model, "outputs": {"p": {"tensor": "y"}}}},
            "predictions": {"topic": self.predictions},
            "dead_letters": {"topic": self.dead_letters},
            "worker": {"drain_s": 5, "commit_interval_s": 0.2},
            "delivery": self.delivery,
            **sections,
        }

    def parsed(self, **sections: Any) -> PipelineSettings:
        return PipelineSettings.model_validate(self.settings(**sections))

    def start(self, sections: dict[str, Any] | None = None, **stub: Any) -> ChildProcess:
        """A worker process; what it says is in `said(worker)`."""
        log = self.folder / f"worker-{len(self.workers)}.log"
        job = {"settings": self.settings(**(sections or {})), **stub}
        worker = ChildProcess([sys.executable, str(SCRIPT), json.dumps(job)], log=log)
        self.workers.append(worker)
        return worker

    def said(self, worker: ChildProcess) -> str:
        return (self.folder / f"worker-{self.workers.index(worker)}.log").read_text()

    def wait_until_said(self, worker: ChildProcess, text: str, times: int = 1) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while self.said(worker).count(text) < times:
            assert not worker.wait(0.05), f"the worker ended without saying {text!r}:\n{self.said(worker)}"
            assert time.monotonic() < deadline, f"the worker never said {text!r}:\n{self.said(worker)}"

    def wait_until_scoring(self, worker: ChildProcess, log: Path, batches: int = 1) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not log.exists() or log.read_text().count("batch") < batches:
            assert not worker.wait(0.005), f"the worker ended:\n{self.said(worker)}"
            assert time.monotonic() < deadline, f"the worker never scored {batches} batches:\n{self.said(worker)}"

    async def feed(self, count: int, poison_at: int | None = None) -> None:
        """Events of ten keys per partition; event i of the run has value i."""
        first, self.produced = self.produced, self.produced + count
        values = {i: b"poison" if i == poison_at else b"%d" % i for i in range(first, first + count)}
        await produce(
            self.bootstrap_servers,
            self.events,
            [Outgoing(v, b"%d-%d" % (i % PARTITIONS, i % 10), i % PARTITIONS) for i, v in values.items()],
        )

    async def answers(self, count: int) -> list[ConsumerRecord]:
        """The predictions, once there are `count` distinct ones."""
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self.bootstrap_servers,
            enable_auto_commit=False,
            isolation_level="read_committed" if self.exactly_once else "read_uncommitted",
        )
        await consumer.start()
        try:
            partitions = [TopicPartition(self.predictions, number) for number in range(PARTITIONS)]
            consumer.assign(partitions)
            await consumer.seek_to_beginning(*partitions)
            found: list[ConsumerRecord] = []
            deadline = time.monotonic() + PATIENCE_S
            while len({place(record) for record in found}) < count:
                for records in (await consumer.getmany(timeout_ms=200)).values():
                    found += records
                said = self.said(self.workers[-1]) if self.workers else ""
                assert time.monotonic() < deadline, f"{len(found)} of {count} answers:\n{said[-4000:]}"
            return found
        finally:
            await consumer.stop()

    @property
    def exactly_once(self) -> bool:
        return self.delivery == "exactly_once"

    async def all_answers(self) -> list[ConsumerRecord]:
        return await read_all(self.bootstrap_servers, self.predictions, committed_only=self.exactly_once)

    async def committed(self) -> dict[int, int | None]:
        return await committed(self.bootstrap_servers, self.group, self.events, PARTITIONS)

    def close(self) -> None:
        for worker in self.workers:
            worker.stop(grace_s=0.0)


def place(record: ConsumerRecord) -> bytes:
    """topic/partition/offset of the event that a prediction answers."""
    return dict(record.headers)["from"]


def repeats(records: Sequence[ConsumerRecord]) -> int:
    return sum(times - 1 for times in Counter(map(place, records)).values())


def disordered(records: Sequence[ConsumerRecord]) -> list[bytes]:
    """Places that came, for the first time, after a later one of the same key."""
    last: dict[bytes | None, int] = {}
    seen: set[bytes] = set()
    found = []
    for record in records:
        at = place(record)
        if at not in seen:
            offset = int(at.rsplit(b"/", 1)[1])
            if offset < last.get(record.key, -1):
                found.append(at)
            last[record.key] = offset
            seen.add(at)
    return found


def stopped(worker: ChildProcess) -> int | None:
    assert worker.wait(PATIENCE_S)
    return worker.exit_status


class WorkerCases:
    """Subclassed once per broker, beside a `bench` fixture."""

    kills = 3

    async def test_every_event_gets_one_answer_in_order(self, bench: Bench) -> None:
        await bench.feed(2000)
        worker = bench.start()
        answers = await bench.answers(2000)
        assert worker.stop(grace_s=PATIENCE_S) == 0
        assert repeats(answers) == 0
        assert disordered(answers) == []
        assert {record.partition for record in answers} == set(range(PARTITIONS))
        assert all(place(r).split(b"/")[1] == b"%d" % r.partition for r in answers)
        assert await bench.committed() == dict.fromkeys(range(PARTITIONS), 500)

    async def test_an_unexpected_exception_stops_without_acknowledging(self, bench: Bench) -> None:
        await bench.feed(2000, poison_at=1200)
        worker = bench.start({"batching": {"max_batch_size": 50}}, halt_at="poison")
        assert stopped(worker) == 1
        assert "ZeroDivisionError" in bench.said(worker)
        answered = {place(record) for record in await bench.all_answers()}
        at = f"{bench.events}/0/300".encode()
        assert at not in answered
        for partition, offset in (await bench.committed()).items():
            expected = {f"{bench.events}/{partition}/{i}".encode() for i in range(offset or 0)}
            assert expected <= answered
            assert partition != 0 or (offset or 0) <= 300
        bench.start()
        answers = await bench.answers(2000)
        assert len({place(record) for record in answers}) == 2000
        assert disordered(answers) == []

    async def test_a_dependency_that_is_down_is_waited_for(self, bench: Bench, tmp_path: Path) -> None:
        down = tmp_path / "down"
        down.touch()
        await bench.feed(400)
        worker = bench.start(retry_file=str(down))
        bench.wait_until_said(worker, "is tried again", times=3)
        assert await bench.all_answers() == []
        down.unlink()
        answers = await bench.answers(400)
        assert worker.stop(grace_s=PATIENCE_S) == 0
        assert repeats(answers) == 0

    async def test_sigterm_finishes_what_is_in_flight(self, bench: Bench, tmp_path: Path) -> None:
        log = tmp_path / "batches"
        await bench.feed(1000)
        sections = {"batching": {"max_batch_size": 20}}
        worker = bench.start(sections, slow_s=0.2, log=str(log))
        bench.wait_until_scoring(worker, log, batches=3)
        began_s = time.monotonic()
        assert worker.stop(grace_s=PATIENCE_S) == 0
        assert time.monotonic() - began_s < 8
        answered = await bench.all_answers()
        assert 0 < len(answered) < 1000
        assert sum(offset or 0 for offset in (await bench.committed()).values()) == len(answered)
        bench.start()
        assert repeats(await bench.answers(1000)) == 0

    async def test_a_batch_that_hangs_does_not_keep_the_worker(self, bench: Bench, tmp_path: Path) -> None:
        log = tmp_path / "batches"
        await bench.feed(20)
        worker = bench.start({"worker": {"drain_s": 0.5, "commit_interval_s": 0.2}}, slow_s=3600.0, log=str(log))
        bench.wait_until_scoring(worker, log)
        assert worker.stop(grace_s=PATIENCE_S) == 0
        assert set((await bench.committed()).values()) <= {None, 0}

    async def test_killed_again_and_again_it_loses_nothing(self, bench: Bench, tmp_path: Path) -> None:
        log = tmp_path / "batches"
        await bench.feed(3000)
        sections = {"batching": {"max_batch_size": 50, "max_queue_size": 400}}
        for kill in range(self.kills):
            scored = log.read_text().count("batch") if kill else 0
            worker = bench.start(sections, slow_s=0.02, log=str(log))
            bench.wait_until_scoring(worker, log, batches=scored + 8 + 3 * kill)
            worker.stop(grace_s=0.0)
            answered = {place(record) for record in await bench.all_answers()}
            for partition, offset in (await bench.committed()).items():
                assert {f"{bench.events}/{partition}/{i}".encode() for i in range(offset or 0)} <= answered
        worker = bench.start(sections)
        answers = await bench.answers(3000)
        assert worker.stop(grace_s=PATIENCE_S) == 0
        assert disordered(answers) == []
        assert repeats(answers) < (1 if bench.exactly_once else 1500)
        assert await bench.committed() == dict.fromkeys(range(PARTITIONS), 750)

    async def test_two_workers_share_the_partitions(self, bench: Bench) -> None:
        await bench.feed(400)
        one = bench.start()
        await bench.answers(400)
        two = bench.start()
        for worker in (one, two):
            bench.wait_until_said(worker, f"holds 2 partitions: {bench.events}")
        await bench.feed(400)
        await bench.answers(800)
        assert one.stop(grace_s=PATIENCE_S) == 0
        bench.wait_until_said(two, f"holds 4 partitions: {bench.events}")
        await bench.feed(400)
        answers = await bench.answers(1200)
        assert two.stop(grace_s=PATIENCE_S) == 0
        assert disordered(answers) == []
        assert repeats(answers) == 0

    async def test_a_second_signal_ends_it_at_once(self, bench: Bench, tmp_path: Path) -> None:
        log = tmp_path / "batches"
        await bench.feed(20)
        worker = bench.start({"worker": {"drain_s": 60.0}}, slow_s=3600.0, log=str(log))
        bench.wait_until_scoring(worker, log)
        os.kill(worker.pid, signal.SIGTERM)
        bench.wait_until_said(worker, "stopping: finishing")
        os.kill(worker.pid, signal.SIGTERM)
        assert stopped(worker) == 128 + signal.SIGTERM
