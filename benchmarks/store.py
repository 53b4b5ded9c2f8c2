"""A Feast repository on SQLite: users with a profile and an activity view, and two feature services."""

from datetime import datetime, timedelta, timezone
from pathlib import Path

import numpy as np

PROFILE = ("p0", "p1", "p2", "p3")
ACTIVITY = ("a0", "a1", "a2", "a3")
_CHUNK = 20_000


def make_repository(path: Path, users: int) -> None:
    """Write, apply and fill a repository in `path`: user in [0, users) has every feature."""
    import pandas as pd
    from feast import Entity, FeatureService, FeatureStore, FeatureView, Field, FileSource, ValueType
    from feast.types import Float32, Int64

    (path / "data").mkdir(parents=True)
    (path / "feature_store.yaml").write_text(
        "project: bench\nprovider: local\nregistry: data/registry.db\n"
        "online_store: {type: sqlite, path: data/online.db}\nentity_key_serialization_version: 3\n"
    )
    user = Entity(name="user", join_keys=["user"], value_type=ValueType.INT64)
    views = [
        FeatureView(
            name=name,
            entities=[user],
            ttl=timedelta(days=1),
            source=FileSource(name=f"{name}_file", path=f"data/{name}.parquet", timestamp_field="at"),
            schema=[Field(name="user", dtype=Int64), *(Field(name=feature, dtype=Float32) for feature in names)],
        )
        for name, names in (("profile", PROFILE), ("activity", ACTIVITY))
    ]
    store = FeatureStore(repo_path=str(path))
    services = [FeatureService(name="small", features=views[:1]), FeatureService(name="large", features=views)]
    store.apply([user, *views, *services])
    now = datetime.now(timezone.utc)
    for names, view in ((PROFILE, "profile"), (ACTIVITY, "activity")):
        values = np.random.default_rng(len(view)).random((users, len(names)), np.float32)
        for start in range(0, users, _CHUNK):
            part = values[start : start + _CHUNK]
            columns = {"user": np.arange(start, start + len(part)), "at": now, "created": now}
            store.write_to_online_store(view, pd.DataFrame({**columns, **dict(zip(names, part.T, strict=True))}))
