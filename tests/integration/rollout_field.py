"""A pipeline under control: its topics, a registry with versions, real workers, and events that keep coming."""

import asyncio
import hashlib
import json
import time
from bisect import bisect_right
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition

from streamapp.act.apply import apply
from streamapp.act.commands import Start
from streamapp.act.state import Promotion, Rollout, State, owners_of
from streamapp.act.steps import Step
from streamapp.buckets import bucket
from streamapp.config.settings import KafkaSettings
from streamapp.control.client import ControlClient, new_id
from streamapp.control.fold import Entry
from streamapp.demo.child import ChildProcess, python
from streamapp.kafka.client import connection
from streamapp.kafka.control import ControlConnection
from streamapp.kafka.control_topics import ControlTopics
from streamapp.models import Manifest, Registry
from streamapp.models.manifest import ModelFile
from streamapp.protocols import TensorSpec
from streamapp.types import Tenant
from tests.kafka_io import create_topics
from tests.onnx_models import onnx_model

MODEL = "scorer"
PARTITIONS = 4
PATIENCE_S = 60.0
LAWFUL_MS = 1_000
"""How long a version may go on answering after the log has taken its keys away."""


@dataclass
class Field:
    """A broker and a pipeline on it. Version v scores an event's amount plus 10 v."""

    bootstrap_servers: str
    folder: Path
    topic: Callable[[str], str]
    kafka: dict[str, Any] = field(default_factory=dict)
    delivery: str = "at_least_once"
    workers: list[ChildProcess] = field(default_factory=list)
    fed: int = 0
    fed_at_ms: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.name = self.topic("field")
        self.registry = Registry(self.folder / "registry")

    async def create(self) -> None:
        names = [f"{self.name}.{stem}" for stem in ("events", "predictions", "dead")]
        await create_topics(self.bootstrap_servers, dict.fromkeys(names, PARTITIONS))
        (self.folder / "scorer-1.onnx").write_bytes(onnx_model(10.0))
        self.pipeline = self.folder / "pipeline.yaml"
        self.pipeline.write_text(yaml.safe_dump(self.settings()))

    def settings(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "kafka": {"bootstrap.servers": self.bootstrap_servers, **self.kafka},
            "source": {"topics": [f"{self.name}.events"]},
            "event": {"id": "id", "fields": {"id": {"dtype": "string"}, "amount": {"dtype": "float32"}}},
            "variants": {
                "champion": {
                    "model": {"name": MODEL, "version": "1", "path": "scorer-1.onnx"},
                    "weight": 1,
                    "inputs": {"x": ["amount"]},
                    "outputs": {"score": {"tensor": "y"}},
                }
            },
            "predictions": {"topic": f"{self.name}.predictions"},
            "dead_letters": {"topic": f"{self.name}.dead"},
            "delivery": self.delivery,
            "control": {"registry": self.registry.url, "report_interval_s": 0.3},
            "metrics": {"enabled": False},
            "worker": {"drain_s": 5, "commit_interval_s": 0.2},
        }

    def with_one_more(self) -> Path:
        """A pipeline file with one more variant, `extra`, which is version 7 of another model and answers half."""
        (self.folder / "extra-7.onnx").write_bytes(onnx_model(70.0))
        settings = self.settings()
        model = {"name": "extra", "version": "7", "path": "extra-7.onnx"}
        settings["variants"]["extra"] = {**settings["variants"]["champion"], "model": model}
        newer = self.folder / "newer.yaml"
        newer.write_text(yaml.safe_dump(settings))
        return newer

    def put(self, version: str, content: bytes | None = None) -> None:
        """Register a version; by default one that works."""
        content = onnx_model(10.0 * int(version)) if content is None else content
        folder = self.folder / f"put-{version}"
        folder.mkdir()
        (folder / "model.onnx").write_bytes(content)
        file = ModelFile("model.onnx", hashlib.sha256(content).hexdigest(), len(content))
        x, y = TensorSpec("x", "float32", (None, 1)), TensorSpec("y", "float32", (None, 1))
        said = {"registered_by": "test", "registered_at": "2026-01-01T00:00:00Z"}
        self.registry.add(Manifest(MODEL, version, "onnx", file.path, (file,), (x,), (y,), **said), folder)

    def start(self, *changes: str) -> ChildProcess:
        """One more worker; changes: of its settings, `key=value`."""
        number = len(self.workers)
        changed = [f"--set={change}" for change in (f"kafka.client.id=worker-{number}", *changes)]
        worker = ChildProcess(
            python("-m", "streamapp", "run", str(self.pipeline), *changed), log=self.folder / f"worker-{number}.log"
        )
        self.workers.append(worker)
        return worker

    def said(self, worker: ChildProcess) -> str:
        return (self.folder / f"worker-{self.workers.index(worker)}.log").read_text()

    async def until_said(self, worker: ChildProcess, text: str) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while text not in self.said(worker):
            assert worker.exit_status is None, self.said(worker)[-4000:]
            assert time.monotonic() < deadline, f"never said {text!r}:\n{self.said(worker)[-4000:]}"
            await asyncio.sleep(0.05)

    async def started(self, count: int) -> list[ChildProcess]:
        """Workers that hold their partitions."""
        workers = [self.start() for _ in range(count)]
        for worker in workers:
            await self.until_said(worker, "is ready")
        return workers

    def leader(self) -> ChildProcess:
        """The worker that leads."""
        for worker in self.workers:
            said = self.said(worker)
            if worker.exit_status is None and said.count("this worker leads") > said.count("does not lead any more"):
                return worker
        raise AssertionError("nobody leads")

    @asynccontextmanager
    async def control(self) -> AsyncIterator[ControlClient]:
        settings = KafkaSettings.model_validate({"bootstrap.servers": self.bootstrap_servers})
        opened = ControlConnection(connection(settings), ControlTopics.of(self.name))
        await opened.prepare(PATIENCE_S)
        try:
            async with ControlClient(opened.log) as client:
                yield client
        finally:
            await opened.close(1.0)

    async def roll_out(self, client: ControlClient, version: str, *steps: Step) -> str:
        """Start a rollout; its id."""
        command = Start(
            id=new_id(),
            by="test",
            at_ms=int(time.time() * 1000),
            expects=client.state.models[MODEL],
            model=MODEL,
            version=version,
            tenant=Tenant("champion", version),
            steps=steps,
        )
        entry = await client.send(command)
        assert not entry.refusal, entry.refusal
        return command.id

    async def until_aliased(self, client: ControlClient, version: str, settled: bool = True) -> Promotion:
        """The latest promotion once its alias is settled, or on record as not settled yet."""
        deadline = time.monotonic() + PATIENCE_S

        def found() -> Promotion | None:
            promotion = client.state.promotions.get(MODEL)
            said = promotion is not None and promotion.version == version and promotion.reason
            return promotion if said and promotion.settled is settled else None

        while (promotion := found()) is None:
            left = deadline - time.monotonic()
            assert left > 0, client.state.promotions
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(client.changed(len(client.entries)), min(left, 0.2))
        return promotion

    async def until(self, client: ControlClient, true: Callable[[Rollout], bool]) -> Rollout:
        """The latest rollout once something holds of it."""
        deadline = time.monotonic() + PATIENCE_S
        while not true(client.state.rollouts[MODEL]):
            left = deadline - time.monotonic()
            logs = "\n".join(self.said(worker)[-1500:] for worker in self.workers)
            assert left > 0, f"{client.state.rollouts[MODEL]}\n{logs}"
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(client.changed(len(client.entries)), min(left, 0.2))
        return client.state.rollouts[MODEL]

    @asynccontextmanager
    async def feeding(self, per_s: int = 1_000) -> AsyncIterator[None]:
        """Events keep coming meanwhile."""
        going = True

        async def feed() -> None:
            producer = AIOKafkaProducer(bootstrap_servers=self.bootstrap_servers, max_batch_size=500_000)
            await producer.start()
            began_s, before = time.monotonic(), self.fed
            try:
                while going:
                    due = int((time.monotonic() - began_s) * per_s) - (self.fed - before)
                    await self.feed(producer, due // PARTITIONS * PARTITIONS)
                    await asyncio.sleep(0.01)
            finally:
                await producer.stop()

        feeder = asyncio.create_task(feed())
        try:
            yield
        finally:
            going = False
            await feeder

    async def feed(self, producer: AIOKafkaProducer, events: int) -> None:
        """That many events, spread over the partitions, in whole record batches."""
        written = []
        now_ms = int(time.time() * 1000)
        self.fed_at_ms += [now_ms] * events
        for partition in range(PARTITIONS):
            builder = producer.create_batch()
            for number in range(self.fed + partition, self.fed + events, PARTITIONS):
                value = b'{"id": "e%d", "amount": 1.0}' % number
                builder.append(timestamp=now_ms, key=None, value=value, headers=[])
            builder.close()
            if builder.record_count():
                written.append(await producer.send_batch(builder, f"{self.name}.events", partition=partition))
        for future in written:
            await future
        self.fed += events

    async def until_fed(self, events: int) -> None:
        """The broker has taken so many."""
        deadline = time.monotonic() + PATIENCE_S
        while self.fed < events:
            assert time.monotonic() < deadline, f"{self.fed} of {events} events were taken"
            await asyncio.sleep(0.01)

    async def answers(self) -> "Answers":
        """Predictions and dead letters, once every event that was fed has one."""
        topics = [f"{self.name}.predictions", f"{self.name}.dead"]
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self.bootstrap_servers,
            enable_auto_commit=False,
            isolation_level="read_committed" if self.delivery == "exactly_once" else "read_uncommitted",
        )
        await consumer.start()
        try:
            partitions = [TopicPartition(topic, number) for topic in topics for number in range(PARTITIONS)]
            consumer.assign(partitions)
            await consumer.seek_to_beginning(*partitions)
            found = Answers()
            deadline = time.monotonic() + PATIENCE_S
            while len(found.ids) < self.fed:
                for partition, records in (await consumer.getmany(timeout_ms=200)).items():
                    found.take(partition.topic == topics[0], records)
                logs = "\n".join(self.said(worker)[-1500:] for worker in self.workers)
                assert time.monotonic() < deadline, f"{len(found.ids)} of {self.fed} events\n{logs}"
            return found
        finally:
            await consumer.stop()

    def close(self) -> None:
        for worker in self.workers:
            worker.stop(grace_s=0.0)


@dataclass
class Answers:
    """id -> its dead letters and predictions."""

    predictions: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    dead: list[str] = field(default_factory=list)
    ids: Counter[str] = field(default_factory=Counter)

    def take(self, predicted: bool, records: "Sequence[ConsumerRecord[Any, Any]]") -> None:
        for record in records:
            value = json.loads(record.value)
            self.ids[value["id"]] += 1
            if predicted:
                self.predictions.append((record.timestamp, value))
            else:
                self.dead.append(value["id"])

    @property
    def repeated(self) -> int:
        return sum(times - 1 for times in self.ids.values())

    def versions(self) -> Counter[str]:
        return Counter(value["model_version"] for _, value in self.predictions)

    def unlawful(self, entries: Sequence[Entry], salt: str, lawful_ms: int = LAWFUL_MS) -> list[str]:
        """Predictions by a version that the log did not have in force for their bucket when they were written, nor
        `lawful_ms` before."""
        times_ms, states = [0], [State()]
        state = State()
        for entry in entries:
            if entry.command is not None and not entry.refusal:
                after = apply(state, entry.command, entry.offset + 1, entry.at_ms)
                assert isinstance(after, State)
                state = after
                times_ms.append(entry.at_ms)
                states.append(state)
        found = []
        for at_ms, value in self.predictions:
            first = max(bisect_right(times_ms, at_ms - lawful_ms) - 1, 0)
            last = bisect_right(times_ms, at_ms + 1)
            lawful = {_version(state, bucket(value["id"], salt)) for state in states[first:last]}
            if value["model_version"] not in lawful:
                found.append(f"{value['id']} by {value['model_version']}, lawful: {sorted(lawful)}")
            # What is said is what was done.
            assert value["scores"]["score"] == 1.0 + 10.0 * int(value["model_version"])
        return found


owners = cache(owners_of)


def _version(state: State, place: int) -> str:
    if not state.table:
        return "1"
    tenant = list(state.tenants.values())[int(owners(state.table)[place])]
    return tenant.version or "1"
