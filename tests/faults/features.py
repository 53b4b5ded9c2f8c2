"""A real Feast repository with SQLite online, about the suite's events: `python -m tests.faults.features FOLDER`.

Two views keyed by the event's id, `known` (features a = 1, b = 2) and `strict` (c = 3). Which events they know is
decided by the sequence in the id: see `fate`.
"""

import atexit
import functools
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper

from streamapp.demo.child import python

KEYS = 12
SEQUENCES = 800
"""Events per key that the store knows of."""
AGE_S = 600
"""Age of the features when the repository is made."""
STALE_AGE_S = 4 * 3600
MAX_AGE_S = 3600
FRESH, MISSING, STALE, REJECTED = "fresh", "missing", "stale", "rejected"
_FATES = {1: MISSING, 2: STALE, 3: REJECTED}
_STORE = """project: faults
registry: data/registry.db
provider: local
online_store:
  type: sqlite
  path: data/online.db
entity_key_serialization_version: 3
"""
MADE = "made"
"""File in the repository with the Unix time at which features were `AGE_S` old."""
ONLINE = Path("features") / "data" / "online.db"


def fate(id_: str) -> str:
    """What becomes of the event of that id: its `known` row is missing or stale, or its `strict` row is missing."""
    return _FATES.get(int(id_.rsplit("/", 1)[1]) % 8, FRESH)


def sections(**unavailable: Any) -> dict[str, Any]:
    """The sections of pipeline.yaml that use the repository."""
    return {
        "features": {
            "repository": "features",
            "views": {
                "known": {"max_age_s": MAX_AGE_S, "policy": "default", "defaults": {"a": 1, "b": 2}},
                "strict": {"policy": "reject", "defaults": {"c": 3}},
            },
            **({"unavailable": unavailable} if unavailable else {}),
        },
        "variants": {
            "line": {
                "feature_service": "both",
                "inputs": {"x": ["number", "known:a", "known:b", "strict:c"]},
            }
        },
    }


def install(folder: Path) -> None:
    """Put the repository and a model that reads it next to the pipeline in `folder`."""
    shutil.copytree(_repository(), folder / "features")
    save_model(folder / "model.onnx")


def save_model(path: Path) -> None:
    """`x` float32 (rows, 4) = (number, a, b, c) -> 2 number + 1 where a = 1, b = 2 and c = 3 (or is not known), and
    far from it where columns were exchanged."""
    weights = np.array([[2], [1e6], [2e6], [0]], np.float32)
    bias = np.array([1 - 1e6 - 4e6], np.float32)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["z"]), helper.make_node("Add", ["z", "b"], ["y"])],
        "line",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 1])],
        [
            helper.make_tensor("w", TensorProto.FLOAT, [4, 1], weights.tobytes(), raw=True),
            helper.make_tensor("b", TensorProto.FLOAT, [1], bias.tobytes(), raw=True),
        ],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)


@contextmanager
def locked(store: Path) -> Iterator[None]:
    """Another process holds SQLite's exclusive lock on `store` meanwhile."""
    code = (
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1], timeout=60, isolation_level=None); "
        "c.execute('BEGIN EXCLUSIVE'); print('locked', flush=True); sys.stdin.read()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(store)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        if holder.stdout is None or holder.stdout.readline() != "locked\n":
            raise RuntimeError(f"{store} could not be locked")
        yield
    finally:
        holder.communicate()


@functools.cache
def _repository() -> Path:
    """Made once per session, in a process of its own: Feast changes the warning filters."""
    folder = Path(tempfile.mkdtemp(prefix="faults-features-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    done = subprocess.run(python("-m", "tests.faults.features", str(folder)), capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"the feature repository could not be made:\n{done.stdout}{done.stderr}")
    return folder


def _make(folder: Path) -> None:
    import pandas as pd
    from feast import Entity, FeatureService, FeatureStore, FeatureView, Field, FileSource
    from feast.types import Float32, String
    from feast.value_type import ValueType

    (folder / "feature_store.yaml").write_text(_STORE)
    (folder / "data").mkdir()
    store = FeatureStore(repo_path=str(folder))
    event = Entity(name="event", join_keys=["id"], value_type=ValueType.STRING)

    def view(name: str, *features: str) -> FeatureView:
        source = FileSource(name=f"{name}_file", path=f"data/{name}.parquet", timestamp_field="at")
        fields = [Field(name="id", dtype=String), *(Field(name=feature, dtype=Float32) for feature in features)]
        return FeatureView(name=name, entities=[event], ttl=timedelta(days=1), schema=fields, source=source)

    known, strict = view("known", "a", "b"), view("strict", "c")
    store.apply([event, known, strict, FeatureService(name="both", features=[known, strict])])
    now = datetime.now(timezone.utc)
    (folder / MADE).write_text(str(now.timestamp()))
    ids = [f"p0/p0-{key}/{sequence}" for key in range(KEYS) for sequence in range(SEQUENCES)]
    ages_s = {id_: STALE_AGE_S if fate(id_) == STALE else AGE_S for id_ in ids}
    rows: dict[str, list[str]] = {
        "known": [id_ for id_ in ids if fate(id_) != MISSING],
        "strict": [id_ for id_ in ids if fate(id_) != REJECTED],
    }
    values: Mapping[str, Mapping[str, float]] = {"known": {"a": 1.0, "b": 2.0}, "strict": {"c": 3.0}}
    for name, found in rows.items():
        frame = pd.DataFrame(
            {"id": found, **values[name], "at": [now - timedelta(seconds=ages_s[id_]) for id_ in found]}
        )
        store.write_to_online_store(name, frame)


if __name__ == "__main__":
    _make(Path(sys.argv[1]))
