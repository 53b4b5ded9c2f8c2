"""The files of a pipeline on the disk: settings, model, and the distribution that offers the gated runtime."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.faults.model import save_model

ROOT = Path(__file__).parents[2]

IN_FLIGHT_BATCHES = 3
BATCH_ROWS = 64
IN_FLIGHT_ROWS = IN_FLIGHT_BATCHES * BATCH_ROWS
"""Most rows that one worker may have between decoding and acknowledgement."""
COMMIT_S = 0.5
SESSION_S = 3.0
DRAIN_S = 5.0
_ENTRY_POINTS = "[streamapp.runtimes]\ngated = tests.faults.gate:load\n"
_METADATA = "Metadata-Version: 2.1\nName: faults-runtime\nVersion: 1\n"


def lay_out(folder: Path) -> None:
    """Put the model and the plug-in into `folder`."""
    save_model(folder / "model.onnx")
    plugin = folder / "plugins" / "faults_runtime-1.dist-info"
    plugin.mkdir(parents=True)
    (plugin / "METADATA").write_text(_METADATA)
    (plugin / "entry_points.txt").write_text(_ENTRY_POINTS)


def python_path(folder: Path) -> str:
    """Where a worker's interpreter finds the plug-in and this suite."""
    return f"{folder / 'plugins'}:{ROOT}"


def settings(bootstrap_servers: str, group: str, events: str, predictions: str, dead_letters: str) -> dict[str, Any]:
    """The pipeline, as the text of pipeline.yaml would say it."""
    return {
        "name": group,
        "kafka": {
            "bootstrap.servers": bootstrap_servers,
            "session.timeout.ms": int(SESSION_S * 1000),
            "heartbeat.interval.ms": 500,
        },
        "source": {"topics": [events]},
        "event": {
            "id": "id",
            "fields": {"id": {"dtype": "string"}, "number": {"dtype": "float32", "ge": 1}},
        },
        "variants": {
            "line": {
                "weight": 1,
                "model": {"name": "line", "path": "model.onnx", "runtime": "gated"},
                "inputs": {"x": ["number"]},
                "outputs": {"y": {"tensor": "y"}},
            }
        },
        "batching": {"max_batch_size": BATCH_ROWS},
        "predictions": {"topic": predictions, "include_event": True},
        "dead_letters": {"topic": dead_letters},
        "metrics": {"enabled": False},
        "drift": {"enabled": False},
        "worker": {
            "drain_s": DRAIN_S,
            "commit_interval_s": COMMIT_S,
            "max_batches_in_flight": IN_FLIGHT_BATCHES,
        },
    }


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with the leaves of `over` in their places."""
    found = dict(base)
    for name, value in over.items():
        before = found.get(name)
        found[name] = merged(before, value) if isinstance(before, dict) and isinstance(value, Mapping) else value
    return found


def write_pipeline(path: Path, document: Mapping[str, Any]) -> None:
    """pipeline.yaml."""
    path.write_text(yaml.safe_dump(dict(document), sort_keys=False))
