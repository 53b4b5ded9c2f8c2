"""A pipeline under control, versions to fetch for it, and plans for it."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from streamapp.buckets import deal
from streamapp.config.settings import PipelineSettings
from streamapp.errors import ModelLoadError
from streamapp.protocols import Artefact
from streamapp.types import RecordBatch, ServingPlan, Tenant

SLOTS = ("main", "other", "main-canary", "other-canary")
WIRINGS = dict(zip(SLOTS, ("main", "other", "main", "other"), strict=True))


class Folder:
    """An `ArtefactSource`: `<model>-<version>` in a folder, whose digests are those of when it was put there."""

    def __init__(self, path: Path, runtime: str | None = None) -> None:
        self.path = path
        self.fetched: list[tuple[str, str]] = []
        self._runtime = runtime
        self._digests: dict[Path, str] = {}

    def put(self, model: str, version: str, content: bytes, ending: str = "") -> Path:
        path = self.path / f"{model}-{version}{ending}"
        path.write_bytes(content)
        self._digests[path] = hashlib.sha256(content).hexdigest()
        return path

    def fetch(self, model: str, version: str) -> Artefact:
        self.fetched.append((model, version))
        found = [path for path in self._digests if path.stem == f"{model}-{version}"]
        if not found:
            raise ModelLoadError("the registry has no such version")
        return Artefact(found[0], self._digests[found[0]], self._runtime)


def settings(*, control: bool = True, runtime: str | None = None, ending: str = "", **more: Any) -> PipelineSettings:
    """Two variants of two models, so that there are two canaries."""

    def variant(model: str, score: str, weight: float) -> dict[str, Any]:
        return {
            "model": {"name": model, "version": "1", "path": f"{model}-1{ending}", "runtime": runtime},
            "weight": weight,
            "inputs": {"x": ["amount"]},
            "outputs": {score: {"tensor": "y"}},
        }

    return PipelineSettings.model_validate(
        {
            "name": "p",
            "source": {"topics": ["in"]},
            "event": {"id": "id", "fields": {"id": {"dtype": "string"}, "amount": {"dtype": "float32"}}},
            "variants": {"main": variant("m", "score", 3), "other": variant("o", "size", 1)},
            "predictions": {"topic": "out"},
            "dead_letters": {"topic": "dead"},
            "control": {"registry": "models"} if control else None,
            **more,
        }
    )


def plan(
    revision: int,
    versions: Mapping[str, str | None],
    weights: Sequence[float] = (1, 0, 0, 0),
    shadows: Sequence[float] = (0, 0, 0, 0),
) -> ServingPlan:
    """`versions` of the slots that are not empty, each wired as it is by itself."""
    tenants = {slot: Tenant(WIRINGS[slot], version) for slot, version in versions.items()}
    tenants = {slot: tenants[slot] for slot in SLOTS if slot in tenants}
    return ServingPlan(revision, tenants, deal(weights), tuple(shadows))


def records(count: int, first: int = 0) -> RecordBatch:
    rows = np.arange(count, dtype=np.int64)
    values: list[bytes | None] = [orjson.dumps({"id": f"e{first + row}", "amount": 2.0}) for row in range(count)]
    return RecordBatch(["in"] * count, np.zeros(count, np.int32), rows, rows, [None] * count, values, [()] * count)
