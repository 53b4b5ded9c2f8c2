"""The pipeline files with which `streamapp run` does the benchmarks' jobs."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from benchmarks.contenders.job import Job
from benchmarks.events import COLUMNS
from benchmarks.store import ACTIVITY, PROFILE
from streamapp.config.settings import PredictionSettings

QUEUE_DELAY_US = 2_000
CAN_REPEAT_EVENT = "include_event" in PredictionSettings.model_fields
"""Whether a prediction record can carry the event it answers."""


def write_pipeline(path: Path, job: Job, changes: Mapping[str, Any] | None = None) -> Path:
    """Write the pipeline file of `job`; `changes` are laid over its sections."""
    document: dict[str, Any] = {
        "name": "bench",
        "kafka": {"bootstrap.servers": job.bootstrap_servers, "group.id": job.group},
        "source": {"topics": [job.source]},
        "event": {"id": "id", "time": "at", "fields": _fields(job)},
        "variants": _whole(job) if job.workload == "whole" else {"main": _variant(job)},
        "predictions": {"topic": job.target},
        "dead_letters": {"topic": f"{job.target}.dead"},
        "batching": {"max_batch_size": 2048, "max_queue_delay_microseconds": QUEUE_DELAY_US},
        "drift": {"enabled": job.workload == "whole"},
        "metrics": {"enabled": job.workload == "whole", "port": 0},
        "worker": {"auto_create_topics": True},
    }
    if job.workload == "whole":
        document["features"] = {
            "repository": job.repository,
            "cache": {"max_entities": 200_000, "ttl_s": 3600},
            "views": {"profile": {"max_age_s": 86_400, "policy": "default"}, "activity": {"policy": "default"}},
        }
    if job.repeat_event:
        document["predictions"]["include_event"] = True
    for section, values in (changes or {}).items():
        document[section] = {**document.get(section, {}), **values} if isinstance(values, Mapping) else values
    path.write_text(yaml.safe_dump(document, sort_keys=False))
    return path


def _fields(job: Job) -> dict[str, Any]:
    shared: dict[str, Any] = {"id": {"dtype": "string", "max_length": 32}, "at": {"dtype": "int64"}}
    if job.workload == "pixels":
        return {**shared, "pixels": {"dtype": "float32[784]", "encoding": "text"}}
    numbers = {name: {"dtype": "float32", "ge": -100, "le": 100} for name in COLUMNS}
    return {**shared, "user": {"dtype": "int64", "ge": 0}, **numbers}


def _variant(job: Job) -> dict[str, Any]:
    outputs = {"score": {"tensor": "y"}}
    if job.workload == "pixels":
        outputs = {f"p{index}": {"tensor": "y", "column": index} for index in range(10)}
    return {
        "weight": 1,
        "model": {"name": "bench", "version": "1", "path": job.model, "threads": 1},
        "inputs": {"x": "pixels" if job.workload == "pixels" else list(COLUMNS)},
        "outputs": outputs,
    }


def _whole(job: Job) -> dict[str, Any]:
    """Two variants, each with a feature service of its own."""
    profile = [f"profile:{name}" for name in PROFILE]
    activity = [f"activity:{name}" for name in ACTIVITY]
    first, second = _variant(job), _variant(job)
    second["model"] = {"name": "bench", "version": "2", "path": job.second_model, "threads": 1}
    first["feature_service"], second["feature_service"] = "small", "large"
    first["inputs"] = {"x": [*COLUMNS, *profile]}
    second["inputs"] = {"x": [*COLUMNS, *profile, *activity]}
    return {"champion": first, "challenger": second}
