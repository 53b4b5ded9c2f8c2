"""An experiment from events to its report, on the embedded broker: a worker, two variants, labels and a covariate."""

import asyncio
import json
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from streamapp.demo.broker import EmbeddedBroker
from streamapp.demo.child import ChildProcess, python
from tests.kafka_io import Outgoing, create_topics, produce, read_all
from tests.onnx_models import onnx_model

USERS = 500
PARTITIONS = 2
PATIENCE_S = 60.0
EFFECT = 2.0
PLAN = {
    "experiment": "spend",
    "compare": "version",
    "variants": ["1", "2"],
    "control": "1",
    "metrics": {
        "clicked": {"from": "label", "kind": "proportion"},
        "spend": {"from": "score:spend", "aggregate": "mean", "covariate": "wallet:spend"},
        "lost": {"from": "dead_letter", "kind": "proportion", "better": "lower", "margin": 0.5},
    },
    "window_s": 0.5,
    "burn_in": 50,
}


class Shop:
    """Each user spends what they spent before, and some noise; version 2 sees `EFFECT` more, and is clicked more."""

    def __init__(self, servers: str, folder: Path, topic: Callable[[str], str]) -> None:
        self.servers, self.folder, self.name = servers, folder, topic("shop")
        self.pipeline = folder / "pipeline.yaml"
        self.plan = folder / "plan.yaml"
        self.log = folder / "worker.log"
        rng = np.random.default_rng(5)
        self.before = rng.normal(50, 10, USERS)
        self.spends = self.before + rng.normal(0, 1, USERS)
        self.worker: ChildProcess | None = None

    async def create(self) -> None:
        names = [f"{self.name}.{stem}" for stem in ("events", "out", "dead", "labels")]
        await create_topics(self.servers, dict.fromkeys(names, PARTITIONS))
        for version, bias in (("1", 0.0), ("2", EFFECT)):
            (self.folder / f"{version}.onnx").write_bytes(onnx_model(bias))
        self.pipeline.write_text(yaml.safe_dump(self.settings()))
        self.plan.write_text(yaml.safe_dump(PLAN, sort_keys=False))
        _feature_repository(self.folder / "repo", self.before)

    def settings(self) -> dict[str, Any]:
        variants = {
            name: {
                "model": {"name": "spend", "version": version, "path": f"{version}.onnx"},
                "weight": 1,
                "inputs": {"x": ["amount"]},
                "outputs": {"spend": {"tensor": "y"}},
            }
            for name, version in (("old", "1"), ("new", "2"))
        }
        dtypes = {"id": "string", "user": "string", "amount": "float32"}
        return {
            "name": self.name,
            "kafka": {
                "bootstrap.servers": self.servers,
                "session.timeout.ms": 2000,
                "heartbeat.interval.ms": 400,
                "fetch.max.wait.ms": 20,
            },
            "source": {"topics": [f"{self.name}.events"]},
            "event": {
                "id": "id",
                "routing_key": "user",
                "fields": {name: {"dtype": dtype} for name, dtype in dtypes.items()},
            },
            "routing": {"salt": "shop"},
            "variants": variants,
            "features": {"repository": "repo", "entities": {"customer": "user"}},
            "predictions": {"topic": f"{self.name}.out"},
            "dead_letters": {"topic": f"{self.name}.dead"},
            "outcomes": {
                "topic": f"{self.name}.labels",
                "id": "id",
                "label": "clicked",
                "time": "at",
                "score": "spend",
            },
            "metrics": {"enabled": False},
        }

    async def answered(self) -> list[Mapping[str, Any]]:
        """The predictions of a worker for two events of each user, and one that nobody can read."""
        events = [
            Outgoing(
                json.dumps({"id": f"e{i}", "user": f"u{i % USERS}", "amount": amount}).encode(), None, i % PARTITIONS
            )
            for i, amount in enumerate([*self.spends, *self.spends])
        ]
        await produce(self.servers, f"{self.name}.events", [*events, Outgoing(b"{", None, 0)])
        self.worker = ChildProcess(python("-m", "streamapp", "run", str(self.pipeline)), log=self.log)
        deadline = time.monotonic() + PATIENCE_S
        while len(found := await read_all(self.servers, f"{self.name}.out")) < len(events):
            assert time.monotonic() < deadline, f"{len(found)} answers:\n{self.log.read_text()[-4000:]}"
        # As after a crash: some are there twice.
        again = [Outgoing(record.value, record.key, record.partition) for record in found[:20]]
        await produce(self.servers, f"{self.name}.out", again)
        return [json.loads(record.value or b"") for record in found]

    async def click(self, answers: list[Mapping[str, Any]]) -> None:
        """Users of version 1 click with probability 0.2, of version 2 with 0.6."""
        luck = np.random.default_rng(6).random(2 * USERS)
        labels = [
            {
                "id": each["id"],
                "clicked": int(luck[int(each["id"][1:])] < (0.2 if each["model_version"] == "1" else 0.6)),
                "at": each["scored_at"] + 100,
            }
            for each in answers
        ]
        await produce(self.servers, f"{self.name}.labels", [Outgoing(json.dumps(label).encode()) for label in labels])

    def command(self, *arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        line = [sys.executable, "-m", "streamapp", "experiment", *arguments]
        return subprocess.run(line, input=stdin, capture_output=True, check=False, timeout=PATIENCE_S)


def _feature_repository(path: Path, before: np.ndarray) -> None:
    """What each user spent before, known since yesterday, and nonsense that is known later."""
    path.mkdir()
    (path / "feature_store.yaml").write_text(
        "project: shop\nregistry: registry.db\nprovider: local\nonline_store: {type: sqlite, path: online.db}\n"
        "entity_key_serialization_version: 3\n"
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pandas as pd
        from feast import Entity, FeatureStore, FeatureView, Field, FileSource, ValueType
        from feast.types import Float64, String

        now = datetime.now(timezone.utc)
        users = [f"u{i}" for i in range(len(before) - 10)]  # of the last ten nothing is known
        rows = [(u, s, now - timedelta(days=1)) for u, s in zip(users, before, strict=False)]
        rows += [(u, 1e6 * i, now + timedelta(hours=1)) for i, u in enumerate(users)]
        pd.DataFrame(rows, columns=["customer", "spend", "ts"]).to_parquet(path / "wallet.parquet")
        entity = Entity(name="customer", join_keys=["customer"], value_type=ValueType.STRING)
        view = FeatureView(
            name="wallet",
            entities=[entity],
            ttl=timedelta(days=7),
            schema=[Field(name="customer", dtype=String), Field(name="spend", dtype=Float64)],
            source=FileSource(path=str(path / "wallet.parquet"), timestamp_field="ts"),
        )
        FeatureStore(repo_path=str(path)).apply([entity, view])


@pytest.fixture
def shop(embedded_broker: EmbeddedBroker, tmp_path: Path, topic: Callable[[str], str]) -> Iterator[Shop]:
    found = Shop(embedded_broker.bootstrap_servers, tmp_path, topic)
    yield found
    if found.worker is not None:
        found.worker.stop(grace_s=0.0)


async def test_from_events_to_a_report_with_a_known_winner(shop: Shop) -> None:
    await shop.create()
    arguments = ("collect", str(shop.plan), "-p", str(shop.pipeline))
    answers = await shop.answered()
    await shop.click(answers)
    collected = await asyncio.to_thread(shop.command, *arguments)
    assert collected.returncode == 0, collected.stderr.decode()
    assert collected.stderr.decode().splitlines()[1:] == [
        "20 repeated answers were left out",
        "spend: 10 units have no wallet:spend from before their first exposure",
    ]
    reported = await asyncio.to_thread(shop.command, "report", "-", "--output", "json", stdin=collected.stdout)
    assert reported.returncode == 0, reported.stderr.decode()
    found = json.loads(reported.stdout)
    assert sum(found["units"].values()) == USERS
    assert not found["sample_ratio"]["alarm"]
    assert found["tally"]["crossed"] == 0
    clicked, spend, lost = found["comparisons"]
    assert clicked["result"] == "better"
    assert (clicked["control"]["n"], clicked["treatment"]["n"]) == (found["units"]["1"], found["units"]["2"])
    assert clicked["control"]["mean"] == pytest.approx(1 - 0.8**2, abs=0.1)
    assert clicked["treatment"]["mean"] == pytest.approx(1 - 0.4**2, abs=0.1)
    # Alone the effect drowns in what users spend anyway.
    assert spend["result"] == "better"
    assert spend["interval"]["lower"] < EFFECT < spend["interval"]["upper"]
    assert spend["plain"]["lower"] < 0
    assert spend["reduction"] > 0.3
    assert lost["guardrail"] == "holds"


def test_a_broker_that_is_away_is_told(shop: Shop) -> None:
    plan, pipeline = shop.folder / "plan.yaml", shop.folder / "pipeline.yaml"
    settings = {**shop.settings(), "features": None, "worker": {"broker_wait_s": 0}}
    pipeline.write_text(yaml.safe_dump(settings))
    plan.write_text(yaml.safe_dump({**PLAN, "metrics": {"spend": {"from": "score:spend"}}}))
    away = ("--set", "kafka.bootstrap.servers=127.0.0.1:1")
    found = shop.command("collect", str(plan), "-p", str(pipeline), *away)
    assert (found.returncode, found.stdout) == (1, b"")
    assert b"broker_unavailable" in found.stderr
    found = shop.command("collect", str(plan), "-p", str(pipeline))
    assert (found.returncode, found.stdout) == (2, b"")
    assert f"the broker has no topic {shop.name}.out".encode() in found.stderr
