"""A pipeline file for a broker with secure listeners, and the commands that work on it."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

from streamapp.demo.child import ChildProcess
from tests.onnx_models import onnx_model
from tests.secure_kafka import PASSWORD

PATIENCE_S = 60.0


def write_pipeline(folder: Path, topic: Callable[[str], str], kafka: Mapping[str, Any], **sections: Any) -> Path:
    """A pipeline file with these Kafka settings, its model beside it; the password comes from the environment."""
    (folder / "model.onnx").write_bytes(onnx_model(0.0))
    if "sasl.password" in kafka:
        kafka = {**kafka, "sasl.password": "${KAFKA_PASSWORD}"}
    variant = {"weight": 1, "model": {"name": "m", "path": "model.onnx"}, "inputs": {"x": ["amount"]}}
    settings = {
        "name": topic("payments"),
        "kafka": dict(kafka),
        "source": {"topics": [topic("events")]},
        "event": {"id": "id", "fields": {"id": {"dtype": "string"}, "amount": {"dtype": "float32"}}},
        "variants": {"champion": {**variant, "outputs": {"score": {"tensor": "y"}}}},
        "predictions": {"topic": topic("predictions")},
        "dead_letters": {"topic": topic("dead")},
        "worker": {"auto_create_topics": True, "broker_wait_s": 3600},
        "metrics": {"port": 0},
        **sections,
    }
    path = folder / "pipeline.yaml"
    path.write_text(yaml.safe_dump(settings))
    return path


def environment(password: str = PASSWORD) -> dict[str, str]:
    return {**os.environ, "KAFKA_PASSWORD": password}


def streamapp(*arguments: str, password: str = PASSWORD) -> tuple[int, str]:
    """Exit status, and everything that was said."""
    command = [sys.executable, "-m", "streamapp", *arguments]
    done = subprocess.run(
        command, env=environment(password), capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    return done.returncode, done.stdout + done.stderr


def wait_until_said(worker: ChildProcess, log: Path, text: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while text not in log.read_text():
        assert not worker.wait(0.05), log.read_text()
        assert time.monotonic() < deadline, log.read_text()
