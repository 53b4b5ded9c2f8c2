"""Reading features for cached entities against `get_online_features`, side by side.

A Feast repository with SQLite online and one view of 8 features is made in a temporary folder; every round asks
for the same 256 entities, once through each path. Prints medians over the rounds and their ratio.
"""

import argparse
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path

import numpy as np

from streamapp.clock import SystemClock
from streamapp.config.settings import EventSettings, FeatureSettings, VariantSettings
from streamapp.enrich import build_enricher
from streamapp.types import EventBatch, Routes

FEATURES = 8


def make_repository(path: Path, entities: int) -> None:
    import pandas as pd
    from feast import Entity, FeatureService, FeatureStore, FeatureView, Field, FileSource, PushSource, ValueType
    from feast.types import Float32, Int64

    (path / "feature_store.yaml").write_text(
        "project: bench\nprovider: local\nregistry: data/registry.db\n"
        "online_store: {type: sqlite, path: data/online.db}\nentity_key_serialization_version: 3\n"
    )
    (path / "data").mkdir()
    plane = Entity(name="plane", join_keys=["plane_id"], value_type=ValueType.INT64)
    names = [f"f{index}" for index in range(FEATURES)]
    source = FileSource(name="batch", path="data/plane.parquet", timestamp_field="ts")
    push = PushSource(name="push", batch_source=source)
    schema = [Field(name="plane_id", dtype=Int64), *(Field(name=name, dtype=Float32) for name in names)]
    view = FeatureView(name="plane", entities=[plane], ttl=timedelta(days=1), schema=schema, source=push)
    store = FeatureStore(repo_path=str(path))
    store.apply([plane, view, push, FeatureService(name="service", features=[view])])
    values = np.random.default_rng(0).random((entities, FEATURES))
    now = datetime.now(timezone.utc)
    store.push(
        "push", pd.DataFrame({"plane_id": range(entities), **dict(zip(names, values.T, strict=True)), "ts": now})
    )


def make_variant() -> VariantSettings:
    return VariantSettings.model_validate(
        {
            "model": {"name": "m", "path": "m.onnx"},
            "weight": 1,
            "feature_service": "service",
            "inputs": {"x": ["plane:f0"]},
            "outputs": {"score": {"tensor": "y"}},
        }
    )


def make_batch(keys: "np.ndarray[tuple[int], np.dtype[np.int64]]") -> tuple[EventBatch, Routes]:
    n = len(keys)
    ids = [str(key) for key in keys.tolist()]
    events = EventBatch({"plane_id": keys}, ids, ids, np.full(n, time.time_ns() // 1_000_000, np.int64), {})
    return events, Routes(np.zeros(n, np.int16), (np.arange(n, dtype=np.int64),))


def seconds(function: Callable[[], object]) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def measure(rows: int, rounds: int) -> None:
    from feast import FeatureStore

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        make_repository(path, rows)
        event = EventSettings.model_validate(
            {"id": "id", "fields": {"id": {"dtype": "string"}, "plane_id": {"dtype": "int64"}}}
        )
        settings = FeatureSettings.model_validate({"repository": ".", "cache": {"ttl_s": 3600}})
        enricher = build_enricher(settings, event, {"v": make_variant()}, path, SystemClock())
        store = FeatureStore(repo_path=folder)
        service = store.get_feature_service("service")
        keys = np.arange(rows, dtype=np.int64)
        events, routes = make_batch(keys)
        large, large_routes = make_batch(np.resize(keys, 16_384))
        entity_rows = [{"plane_id": key} for key in keys.tolist()]

        def ask_feast() -> object:
            return store.get_online_features(features=service, entity_rows=entity_rows).to_dict()

        def ask_cache() -> object:
            return enricher.enrich(events, routes)

        ask_feast()
        cold = seconds(ask_cache)
        feast_s, cached_s, large_s = [], [], []
        for _ in range(rounds):
            feast_s.append(seconds(ask_feast))
            cached_s.append(statistics.median(seconds(ask_cache) for _ in range(20)))
            large_s.append(seconds(lambda: enricher.enrich(large, large_routes)))
        enricher.close()
    feast, cached, repeated = (statistics.median(times) for times in (feast_s, cached_s, large_s))
    print(f"{rows} entities x {FEATURES} features, SQLite, medians of {rounds} interleaved rounds")
    print(f"get_online_features          {feast * 1e3:9.3f} ms  {rows / feast:12,.0f} rows/s")
    print(f"enrich, first read           {cold * 1e3:9.3f} ms  {rows / cold:12,.0f} rows/s")
    print(f"enrich, cached               {cached * 1e3:9.3f} ms  {rows / cached:12,.0f} rows/s")
    print(f"enrich, 16 384 cached rows   {repeated * 1e3:9.3f} ms  {16_384 / repeated:12,.0f} rows/s")
    print(f"cached / get_online_features {feast / cached:9.1f} x   (target: at least 10)")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=256, help="entities asked for at once")
    parser.add_argument("--rounds", type=int, default=9, help="interleaved rounds")
    arguments = parser.parse_args()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        measure(arguments.rows, arguments.rounds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
