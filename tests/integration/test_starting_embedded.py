"""SIGTERM while a worker starts: it ends in time, with status 0, whatever it was waiting for, and is in no group."""

import os
import pickle
import signal
import socket
import time
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import yaml

from streamapp.act.steps import SetWeight
from streamapp.demo.broker import EmbeddedBroker
from streamapp.demo.child import ChildProcess, python
from streamapp.models import Manifest
from streamapp.models.manifest import ModelFile
from streamapp.protocols import TensorSpec
from tests.integration.rollout_field import MODEL, PATIENCE_S, Field
from tests.onnx_models import onnx_model

DRAIN_S = 1.0
SOON_S = 5.0
"""Where nothing keeps it: time for a busy machine."""
JOINING_MS = 3_000
"""A session timeout with which the embedded broker lets a join take one and a half seconds."""


class Endless:
    """A pickle that says so and then takes for ever to open."""

    def __reduce__(self):
        return exec, ("import time; print('opening', flush=True); time.sleep(3600)",)


ENDLESS = pickle.dumps(Endless())
DECLARED = {
    "signature_inputs": {"x": {"dtype": "float64", "shape": [None]}},
    "signature_outputs": {"y": {"dtype": "float64", "shape": [None]}},
}


LEAVE_S = 1.0
SHORT = f"""
import streamapp.kafka.run
vars(streamapp.kafka.run)["LEAVE_S"]  # fails loudly where there is nothing to replace
streamapp.kafka.run.LEAVE_S = {LEAVE_S}
from streamapp.cli.main import main
main()
"""
"""The command, with less patience for leaving."""


class Start(Field):
    """Workers of a pipeline that is not there yet, or not whole."""

    def write(self, variant: dict[str, Any] | None = None) -> None:
        """The pipeline file, with changes to its variant."""
        self.folder.mkdir(exist_ok=True)
        (self.folder / "scorer-1.onnx").write_bytes(onnx_model(10.0))
        settings = self.settings()
        settings["worker"]["drain_s"] = DRAIN_S
        settings["variants"]["champion"] |= variant or {}
        self.pipeline = self.folder / "pipeline.yaml"
        self.pipeline.write_text(yaml.safe_dump(settings))

    def start_short(self) -> ChildProcess:
        """A worker that leaves within `LEAVE_S`."""
        log = self.folder / f"worker-{len(self.workers)}.log"
        self.workers.append(ChildProcess(python("-c", SHORT, "run", str(self.pipeline)), log=log))
        return self.workers[-1]

    def ended(self, worker: ChildProcess, within_s: float = SOON_S) -> None:
        """SIGTERM ends it in time, with status 0."""
        began_s = time.monotonic()
        os.kill(worker.pid, signal.SIGTERM)
        assert worker.wait(PATIENCE_S), self.said(worker)
        assert (worker.exit_status, time.monotonic() - began_s < within_s) == (0, True), self.said(worker)


@pytest.fixture
def starting(tmp_path: Path, topic: Callable[[str], str]) -> Iterator[Callable[..., Start]]:
    made: list[Start] = []

    def make(bootstrap_servers: str, session_ms: int = 2_000) -> Start:
        quick = {"session.timeout.ms": session_ms, "heartbeat.interval.ms": 400, "fetch.max.wait.ms": 20}
        made.append(Start(bootstrap_servers, tmp_path / f"start-{len(made)}", topic, quick))
        return made[-1]

    yield make
    for each in made:
        each.close()


async def test_before_kafka_answers(starting: Callable[..., Start]) -> None:
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        silent, absent = starting(f"127.0.0.1:{mute.getsockname()[1]}"), starting("127.0.0.1:1")
        for each in (silent, absent):
            each.write()
        waits, tries = silent.start(), absent.start()
        connection, _ = mute.accept()
        with connection:
            silent.ended(waits)
        await absent.until_said(tries, "no Kafka broker yet")
        absent.ended(tries)


async def test_while_models_load(starting: Callable[..., Start]) -> None:
    start = starting("127.0.0.1:1")
    model = {"name": MODEL, "version": "1", "path": "scorer-1.river", "sha256": sha256(ENDLESS).hexdigest()}
    start.write({"model": model, **DECLARED})
    (start.folder / "scorer-1.river").write_bytes(ENDLESS)
    worker = start.start()
    await start.until_said(worker, "opening")
    start.ended(worker)


async def test_while_it_joins_the_group(starting: Callable[..., Start], embedded_broker: EmbeddedBroker) -> None:
    start = starting(embedded_broker.bootstrap_servers, JOINING_MS)
    start.folder.mkdir()
    await start.create()
    start.write()
    joins = start.start()
    await start.until_said(joins, "the broker has no idempotent producers")  # the last thing before
    assert "is ready" not in start.said(joins)
    start.ended(joins)
    # It left: whoever comes next has all partitions at once.
    comes = start.start()
    await start.until_said(comes, "is ready")
    assert "holds 4 partitions" in start.said(comes)
    assert "holds 2 partitions" not in start.said(comes)


@pytest.mark.parametrize(
    "at", ["control.reports with 1 partitions", "control revision 1"], ids=["following the log", "joining the group"]
)
async def test_when_the_broker_freezes_meanwhile(starting: Callable[..., Start], at: str) -> None:
    with EmbeddedBroker() as broker:
        start = starting(broker.bootstrap_servers, JOINING_MS)
        start.folder.mkdir()
        await start.create()
        start.write()
        worker = start.start_short()
        await start.until_said(worker, at)
        os.kill(broker.pid, signal.SIGSTOP)
        start.ended(worker)


async def test_while_it_loads_what_the_control_log_asks_for(
    starting: Callable[..., Start], embedded_broker: EmbeddedBroker
) -> None:
    start = starting(embedded_broker.bootstrap_servers)
    start.folder.mkdir()
    await start.create()
    start.write()
    staged = start.folder / "staged"
    staged.mkdir()
    (staged / "model.river").write_bytes(ENDLESS)
    file = ModelFile("model.river", sha256(ENDLESS).hexdigest(), len(ENDLESS))
    x, y = TensorSpec("x", "float64", (None,)), TensorSpec("y", "float64", (None,))
    said = {"registered_by": "test", "registered_at": "2026-01-01T00:00:00Z"}
    start.registry.add(Manifest(MODEL, "2", "river", file.path, (file,), (x,), (y,), **said), staged)
    (first,) = await start.started(1)
    async with start.control() as client:
        await start.roll_out(client, "2", SetWeight(50))
        await start.until_said(first, "opening")
        late = start.start()
        await start.until_said(late, "opening")
        start.ended(late)
        start.ended(first)
