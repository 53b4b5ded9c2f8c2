"""What a contender is told, and the record that each of them has to write."""

import json
import sys
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import onnxruntime as ort

from benchmarks.events import COLUMNS


@dataclass(frozen=True, slots=True)
class Job:
    """Read `source`, score with the model at `model`, write to `target`."""

    bootstrap_servers: str
    source: str
    target: str
    group: str
    model: str
    workload: str = "tabular"
    repository: str = ""
    second_model: str = ""
    repeat_event: bool = False

    def to_json(self) -> str:
        """For the command line."""
        return json.dumps(asdict(self))


def job() -> Job:
    """The job on this process's command line."""
    return Job(**json.loads(sys.argv[1]))


def session(path: str) -> ort.InferenceSession:
    """One inference thread, for everybody."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def matrix(events: list[dict[str, Any]], workload: str) -> np.ndarray[Any, np.dtype[np.float32]]:
    """float32 (n, inputs) of n decoded events; text as Crayfish's users would parse it in Python."""
    if workload == "pixels":
        return np.stack([np.fromstring(event["pixels"], np.float32, sep=",") for event in events])
    return np.array([[event[name] for name in COLUMNS] for event in events], np.float32)


def answer(
    event: dict[str, Any],
    scores: list[float],
    place: tuple[str, int, int],
    now_ms: int,
    variant: str = "main",
    version: str = "1",
    repeat_event: bool = False,
) -> dict[str, Any]:
    """The prediction record, field for field what streamapp writes; with the event in it if it is to be repeated."""
    names = ("score",) if len(scores) == 1 else tuple(f"p{index}" for index in range(len(scores)))
    record = {
        "id": event["id"],
        "scores": dict(zip(names, scores, strict=True)),
        "variant": variant,
        "model": "bench",
        "model_version": version,
        "event_time": event["at"],
        "scored_at": now_ms,
        "source": {"topic": place[0], "partition": place[1], "offset": place[2]},
    }
    if repeat_event:
        record["event"] = event
    return record
