"""One real Feast repository for the session, and the small things that every enrich test needs."""

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from streamapp.config.settings import EventSettings, FeatureSettings, VariantSettings
from streamapp.types import Column, EventBatch, Routes

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=timezone.utc)

FEATURE_STORE = """
project: flights
registry: data/registry.db
provider: local
online_store:
  type: sqlite
  path: data/online.db
entity_key_serialization_version: 3
"""


@dataclass
class Hands:
    """A clock moved by hand; both of its hands move together."""

    wall_ms: int = int(NOW.timestamp() * 1000)
    seconds: float = 1_000.0

    def now_ms(self) -> int:
        return self.wall_ms

    def monotonic_s(self) -> float:
        return self.seconds

    def advance(self, seconds: float) -> None:
        self.wall_ms += round(seconds * 1000)
        self.seconds += seconds


@pytest.fixture
def clock() -> Hands:
    return Hands()


@pytest.fixture
def make_events() -> Callable[..., EventBatch]:
    def make(columns: Mapping[str, Any], times_ms: Sequence[int] | None = None) -> EventBatch:
        typed: dict[str, Column] = {
            name: column if isinstance(column, list) else np.asarray(column) for name, column in columns.items()
        }
        n = len(next(iter(typed.values())))
        times = np.full(n, int(NOW.timestamp() * 1000)) if times_ms is None else np.array(times_ms)
        ids = [str(row) for row in range(n)]
        return EventBatch(typed, ids, ids, times.astype(np.int64), {})

    return make


@pytest.fixture
def all_rows() -> Callable[..., Routes]:
    def make(n: int, variants: int = 1) -> Routes:
        rows = np.arange(n, dtype=np.int64)
        return Routes(np.zeros(n, np.int16), (rows,) * variants)

    return make


@pytest.fixture
def make_event() -> Callable[..., EventSettings]:
    def make(**dtypes: Any) -> EventSettings:
        fields = {name: {"dtype": dtype} if isinstance(dtype, str) else dtype for name, dtype in dtypes.items()}
        return EventSettings.model_validate({"id": "id", "fields": {"id": {"dtype": "string"}, **fields}})

    return make


@pytest.fixture
def make_variant() -> Callable[..., VariantSettings]:
    def make(service: str | None, *inputs: str) -> VariantSettings:
        return VariantSettings.model_validate(
            {
                "model": {"name": "m", "path": "m.onnx"},
                "weight": 1,
                "feature_service": service,
                "inputs": {"x": list(inputs) or ["id"]},
                "outputs": {"score": {"tensor": "y"}},
            }
        )

    return make


@pytest.fixture
def make_settings() -> Callable[..., FeatureSettings]:
    def make(repository: str = ".", **sections: Any) -> FeatureSettings:
        return FeatureSettings.model_validate({"repository": repository, "registry_refresh_s": 3600, **sections})

    return make


@pytest.fixture(scope="session")
def feast() -> SimpleNamespace:
    """Feast's names; its import changes the warning filters, which end with this fixture."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pandas as pd
        from feast import Entity, FeatureService, FeatureStore, FeatureView, Field, FileSource, PushSource, ValueType
        from feast import types as dtypes
        from feast.on_demand_feature_view import on_demand_feature_view

        import streamapp.enrich.feast  # noqa: F401
    return SimpleNamespace(
        pd=pd,
        Entity=Entity,
        FeatureService=FeatureService,
        FeatureStore=FeatureStore,
        FeatureView=FeatureView,
        Field=Field,
        FileSource=FileSource,
        PushSource=PushSource,
        ValueType=ValueType,
        dtypes=dtypes,
        on_demand=on_demand_feature_view,
    )


def _view(f: SimpleNamespace, name: str, entities: list[Any], **schema: Any) -> tuple[Any, Any]:
    batch = f.FileSource(name=f"{name}_batch", path=f"data/{name}.parquet", timestamp_field="ts")
    push = f.PushSource(name=f"{name}_push", batch_source=batch)
    fields = [f.Field(name=field, dtype=dtype) for field, dtype in schema.items()]
    view = f.FeatureView(name=name, entities=entities, ttl=timedelta(seconds=1), schema=fields, source=push)
    return view, push


@dataclass(frozen=True)
class Repository:
    """A Feast repository with SQLite online: what was applied, and a way to push rows."""

    path: Path
    store: Any
    pd: Any

    def push(self, view: str, at: datetime = NOW, **columns: list[Any]) -> None:
        frame = self.pd.DataFrame({**columns, "ts": [at] * len(next(iter(columns.values())))})
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.store.push(f"{view}_push", frame)

    def write_without_entity(self, view: str, at: datetime, **values: float) -> None:
        """As materialisation writes a view without entities; a push would write a key that Feast itself never reads."""
        from feast.protos.feast.types.EntityKey_pb2 import EntityKey
        from feast.protos.feast.types.Value_pb2 import Value

        key = EntityKey(join_keys=["__dummy_id"], entity_values=[Value(string_val="")])
        row = (key, {name: Value(float_val=value) for name, value in values.items()}, at, at)
        table = self.store.get_feature_view(view)
        self.store.provider.online_write_batch(self.store.config, table, [row], None)


@pytest.fixture(scope="session")
def repository(feast: SimpleNamespace, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Repository]:
    """Views `weather` (string key), `plane` (int64 key), `route` (both) and `world` (no entity); applied once."""
    f, t = feast, feast.dtypes
    path = tmp_path_factory.mktemp("feature_repo")
    (path / "feature_store.yaml").write_text(FEATURE_STORE)
    (path / "data").mkdir()
    airport = f.Entity(name="airport", join_keys=["origin"], value_type=f.ValueType.STRING)
    aircraft = f.Entity(name="aircraft", join_keys=["plane_id"], value_type=f.ValueType.INT64)
    wx, wx_push = _view(
        f,
        "weather",
        [airport],
        origin=t.String,
        wind=t.Float32,
        temp=t.Float64,
        gusts=t.Int64,
        rain=t.Bool,
        sky=t.String,
        hourly=t.Array(t.Float32),
    )
    plane, plane_push = _view(f, "plane", [aircraft], plane_id=t.Int64, seats=t.Int32, year=t.Int64)
    route, route_push = _view(f, "route", [airport, aircraft], origin=t.String, plane_id=t.Int64, delay=t.Float32)
    world, world_push = _view(f, "world", [], index=t.Float32)

    @f.on_demand(sources=[wx], schema=[f.Field(name="double", dtype=t.Float64)], mode="python", singleton=True)
    def doubled(inputs: dict[str, Any]) -> dict[str, Any]:
        return {"double": inputs["wind"] * 2}

    services = [
        f.FeatureService(name="weather_only", features=[wx]),
        f.FeatureService(name="reordered", features=[plane[["year", "seats"]], wx[["temp", "wind"]]]),
        f.FeatureService(
            name="two_airports",
            features=[
                wx[["wind", "temp"]].with_name("from_wx"),
                wx[["temp", "gusts"]].with_name("to_wx").with_join_key_map({"origin": "destination"}),
            ],
        ),
        f.FeatureService(name="routes", features=[route, world]),
        f.FeatureService(name="computed", features=[wx[["wind"]], doubled]),
        f.FeatureService(name="same_name_twice", features=[wx[["temp"]], wx[["wind", "temp"]]]),
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        store = f.FeatureStore(repo_path=str(path))
        store.apply(
            [
                airport,
                aircraft,
                wx,
                plane,
                route,
                world,
                wx_push,
                plane_push,
                route_push,
                world_push,
                doubled,
                *services,
            ]
        )
    yield Repository(path, store, f.pd)
    store.provider.online_store._conn.close()
