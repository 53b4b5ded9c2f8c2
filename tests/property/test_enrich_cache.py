"""The cache changes how often the store is read, never what a row gets."""

from dataclasses import dataclass
from itertools import count

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from streamapp.config.settings import EventSettings, FeatureSettings, VariantSettings
from streamapp.enrich.cache import EntityCache
from streamapp.enrich.enricher import FeatureEnricher
from streamapp.enrich.plan import plan_features
from streamapp.enrich.reader import (
    NO_ROW,
    FeatureDescription,
    FeatureRows,
    JoinKey,
    ServiceDescription,
    ViewDescription,
)
from streamapp.testing.features import InMemoryFeatures
from streamapp.types import EventBatch, Routes

NOW = 1_700_000_000_000
ORIGINS = st.sampled_from(["A", "B", "C", "D", "E", "x", "", None])


@dataclass
class Hands:
    wall_ms: int = NOW

    def now_ms(self):
        return self.wall_ms

    def monotonic_s(self):
        return self.wall_ms / 1000


def described(name, *views):
    key = JoinKey("origin", "origin", "string")
    return ServiceDescription(
        name,
        tuple(
            ViewDescription(view, stored, (key,), tuple(FeatureDescription(f, "Float32", True) for f in features))
            for view, stored, features in views
        ),
    )


SERVICES = {
    "small": described("small", ("wx", "wx", ["wind"])),
    "large": described("large", ("calm", "wx", ["temp", "wind"]), ("delays", "delays", ["mean"])),
}
EVENT = EventSettings.model_validate({"id": "id", "fields": {"id": {"dtype": "string"}, "origin": {"dtype": "string"}}})
VARIANTS = {
    name: VariantSettings.model_validate(
        {
            "model": {"name": "m", "path": "m.onnx"},
            "feature_service": name,
            "inputs": {"x": "id"},
            "outputs": {"y": {"tensor": "y"}},
        }
    )
    for name in SERVICES
}


def store():
    rows = InMemoryFeatures()
    for index, origin in enumerate("ABCDE"):
        rows.put("wx", origin, NOW - index * 20_000, {"wind": index, "temp": -index} if index else {"wind": 0})
        if index % 2:
            rows.put("delays", origin, NOW - 100_000 + index, {"mean": 100 * index})
    return rows


def enricher(max_entities, policy, clock):
    settings = FeatureSettings.model_validate(
        {
            "repository": ".",
            "registry_refresh_s": 3600,
            "cache": {"max_entities": max_entities, "ttl_s": 30},
            "views": {"wx": {"policy": policy, "max_age_s": 50}, "calm": {"policy": policy, "defaults": {"temp": 5}}},
        }
    )
    return FeatureEnricher(plan_features(settings, EVENT, VARIANTS, SERVICES), settings, store(), clock)


@st.composite
def batches(draw):
    origins = draw(st.lists(ORIGINS, min_size=1, max_size=12))
    rows = st.lists(st.integers(0, len(origins) - 1), unique=True).map(sorted)
    return origins, draw(rows), draw(rows), draw(st.integers(0, 40_000))


@given(st.lists(batches(), min_size=1, max_size=8), st.integers(1, 6), st.sampled_from(["serve", "default", "reject"]))
def test_enriching_with_a_cache_equals_enriching_without(chunks, max_entities, policy):
    clock = Hands()
    cached, bare = enricher(max_entities, policy, clock), enricher(0, policy, clock)
    try:
        for origins, first, second, passed_ms in chunks:
            n = len(origins)
            events = EventBatch({"origin": origins}, origins, origins, np.full(n, NOW, np.int64), {})
            routes = Routes(np.zeros(n, np.int16), (np.array(first, np.int64), np.array(second, np.int64)))
            for left, right in zip(cached.enrich(events, routes), bare.enrich(events, routes), strict=True):
                assert left.names == right.names
                np.testing.assert_array_equal(left.rows, right.rows)
                np.testing.assert_array_equal(left.values, right.values)
                np.testing.assert_array_equal(left.ages_s, right.ages_s)
                np.testing.assert_array_equal(left.freshness, right.freshness)
                assert left.failures == right.failures
            assert all(size <= max_entities for size in (cached.counts.cached_entities or {}).values())
            clock.wall_ms += passed_ms
    finally:
        cached.close()
        bare.close()


@given(
    st.integers(1, 6),
    st.lists(st.tuples(st.lists(st.integers(0, 12), unique=True, max_size=9), st.booleans()), max_size=20),
)
def test_a_hit_is_always_the_last_value_inserted(max_entities, steps):
    cache, last, stamps = EntityCache(max_entities, 2, 30), {}, count()
    for keys, looks in steps:
        if looks:
            found = cache.lookup(keys, 0, None)
            for key, hit, values, at in zip(keys, found.hit, found.values, found.event_times_ms, strict=True):
                assert not hit or (values.tolist() == [last[key], key] and at in (last[key], NO_ROW))
        else:
            stamped = [next(stamps) for _ in keys]
            last.update(zip(keys, stamped, strict=True))
            values = np.array([[s, k] for s, k in zip(stamped, keys, strict=True)], np.float32).reshape(len(keys), 2)
            cache.insert(keys, FeatureRows(values, np.array(stamped, np.int64)), 0, None)
            assert cache.lookup(keys[-max_entities:], 0, None).hit.all()
        assert len(cache) <= max_entities
