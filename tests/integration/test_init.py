"""The starter, from `streamapp init` to predictions, by the very commands that its README names."""

import json
import os
import subprocess
import sys
from datetime import datetime, timezone
from pathlib import Path

import pytest

from streamapp.check import Finding, Level, check_pipeline
from streamapp.pipeline import Pipeline

FEAST = "import warnings; warnings.simplefilter('ignore'); from feast.cli.cli import cli; cli()"


def run(*arguments: str, cwd: Path) -> str:
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "FEAST_USAGE": "False"},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def errors(path: Path, **options: bool) -> list[Finding]:
    options.setdefault("offline", True)
    findings = check_pipeline(path, overrides=["worker.broker_wait_s=0", "metrics.port=0"], **options)
    return [finding for finding in findings if finding.level is not Level.OK]


# What Feast, pandas and their dependencies say about each other, in the version that is installed.
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
def test_check_says_what_remains_until_the_starter_works(tmp_path, monkeypatch):
    run("-m", "streamapp", "init", "mine", cwd=tmp_path)
    home = tmp_path / "mine"
    pipeline = home / "pipeline.yaml"
    # Nothing listens on port 1.
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")

    # 1. Fresh: a model, the features, a broker.
    model, features, broker = errors(pipeline, offline=False)
    assert (model.subject, features.subject, broker.subject) == ("model champion", "features", "broker")
    assert "python train_example.py" in model.remedy
    assert "feast apply" in features.message

    # 2. Trained: the features remain.
    said = run("train_example.py", cwd=home)
    assert float(said.split("AUC on held-out payments: ")[1].split()[0]) > 0.7
    assert [finding.subject for finding in errors(pipeline)] == ["features"]

    # 3. Applied and materialised: nothing remains but the broker.
    run("-c", FEAST, "-c", "feature_repo", "apply", cwd=home)
    run(
        *("-c", FEAST, "-c", "feature_repo", "materialize-incremental"),
        datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S"),
        cwd=home,
    )
    assert errors(pipeline) == []

    # 4. The events that came with it are answered, with fresh features.
    events = [json.loads(line) for line in (home / "events.jsonl").read_text().splitlines()]
    with Pipeline.load(pipeline) as loaded:
        found = loaded.predict(events)
    assert found.failures == {}
    assert [answer["id"] for answer in found.answers.values()] == [event["payment_id"] for event in events]
    assert all(0 < answer["scores"]["fraud"] < 1 for answer in found.answers.values())
    freshness = {answer["features"]["customer_activity"]["freshness"] for answer in found.answers.values()}
    assert freshness == {"fresh"}

    # 5. The command line says the same.
    lines = run("-m", "streamapp", "predict", "pipeline.yaml", "events.jsonl", cwd=home).splitlines()
    assert [json.loads(line)["scores"] for line in lines] == [answer["scores"] for answer in found.answers.values()]
