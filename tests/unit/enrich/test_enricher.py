"""The enricher over the shipped in-memory store."""

import numpy as np
import pytest

from streamapp.enrich import build_enricher
from streamapp.enrich.enricher import FeatureEnricher
from streamapp.enrich.plan import plan_features
from streamapp.enrich.reader import FeatureDescription, JoinKey, ServiceDescription, ViewDescription
from streamapp.errors import ConfigError, FeatureStoreUnavailable
from streamapp.testing.features import InMemoryFeatures
from streamapp.types import Freshness, Routes


def service(name, **views):
    return ServiceDescription(
        name,
        tuple(
            ViewDescription(
                view,
                view,
                (JoinKey("origin", "origin", "string"),),
                tuple(FeatureDescription(f, "Float32", True) for f in features),
            )
            for view, features in views.items()
        ),
    )


SERVICES = {
    "small": service("small", wx=["wind"]),
    "large": service("large", delays=["mean"], wx=["temp", "wind"]),
}


@pytest.fixture
def store(clock):
    store = InMemoryFeatures()
    for index, origin in enumerate("ABCD"):
        store.put("wx", origin, clock.now_ms() - 5_000, {"wind": index, "temp": 10 * index})
        store.put("delays", origin, clock.now_ms() - 60_000, {"mean": 100 * index})
    return store


@pytest.fixture
def build(store, clock, make_settings, make_event, make_variant):
    built = []

    def make(*services, **settings):
        sections = make_settings(**settings)
        variants = {f"v{index}": make_variant(name) for index, name in enumerate(services)}
        known = {name: SERVICES[name] for name in services if name}
        plan = plan_features(sections, make_event(origin="string"), variants, known)
        built.append(FeatureEnricher(plan, sections, store, clock))
        return built[-1]

    yield make
    for enricher in built:
        enricher.close()
    assert store.closed == bool(built)


def down():
    raise FeatureStoreUnavailable("down")


def test_without_features_there_are_empty_blocks(make_event, make_variant, clock, tmp_path, make_events, all_rows):
    enricher = build_enricher(None, make_event(), {"a": make_variant(None), "b": make_variant(None)}, tmp_path, clock)
    blocks = enricher.enrich(make_events({"x": [1, 2]}), all_rows(2, variants=2))
    assert [block.values.shape for block in blocks] == [(2, 0), (2, 0)]
    assert enricher.counts.store_reads == 0
    enricher.close()


def test_a_service_without_the_section_is_refused(make_event, make_variant, clock, tmp_path):
    with pytest.raises(ConfigError, match="no `features` section"):
        build_enricher(None, make_event(), {"a": make_variant("s")}, tmp_path, clock)


def test_each_variant_gets_its_rows_and_shared_views_are_read_once(build, store, make_events):
    enricher = build("small", "large", None)
    events = make_events({"origin": ["A", "B", "C", "B", "A"]})
    routes = Routes(np.zeros(5, np.int16), (np.array([0, 3]), np.array([1, 2, 3]), np.array([4])))
    small, large, none = enricher.enrich(events, routes)
    assert small.rows.tolist() == [0, 3]
    assert small.values.tolist() == [[0], [1]]
    assert large.names == ("delays:mean", "wx:temp", "wx:wind")
    assert large.values.tolist() == [[100, 10, 1], [200, 20, 2], [100, 10, 1]]
    assert large.ages_s.tolist() == [[60, 5]] * 3
    assert none.rows.tolist() == [4]
    assert {(view, features, frozenset(keys)) for view, features, keys in store.reads} == {
        ("wx", ("wind", "temp"), frozenset("ABC")),
        ("delays", ("mean",), frozenset("BC")),
    }
    assert len(store.reads) == 2


def test_a_wiring_decides_whose_features_a_block_has(build, store, make_events):
    enricher = build("small", "large", None)
    assert enricher.features == {"v0": ("wx:wind",), "v1": ("delays:mean", "wx:temp", "wx:wind"), "v2": ()}
    events = make_events({"origin": ["A", "B", "C"]})
    routes = Routes(np.zeros(3, np.int16), (np.array([0]), np.array([1, 2]), np.array([0, 2]), np.array([1])))
    declared = enricher.enrich(events, Routes(routes.answers, routes.rows[:3]))
    twice = enricher.enrich(events, routes, ("v1", "v2", "v0", "v0"))
    assert [block.names for block in twice] == [enricher.features[name] for name in ("v1", "v2", "v0", "v0")]
    assert [block.rows.tolist() for block in twice] == [[0], [1, 2], [0, 2], [1]]
    assert twice[0].values.tolist() == [[0, 0, 0]]
    assert [block.values.tolist() for block in twice[2:]] == [[[0], [2]], [[1]]]
    assert [block.names for block in declared] == list(enricher.features.values())
    # Nothing that was cached is read again, whoever asked for it.
    assert sorted(key for view, _, keys in store.reads for key in keys if view == "wx") == ["A", "B", "C"]
    with pytest.raises(ValueError, match="longer"):
        enricher.enrich(events, routes)


def test_what_is_cached_is_not_read_again_until_the_ttl(build, store, clock, make_events, all_rows):
    enricher = build("small", cache={"ttl_s": 30})
    enricher.enrich(make_events({"origin": ["A", "B"]}), all_rows(2))
    clock.advance(10)
    (block,) = enricher.enrich(make_events({"origin": ["B", "C", "B"]}), all_rows(3))
    assert store.reads[1][2] == ("C",)
    assert block.ages_s[:, 0].tolist() == [15, 15, 15]
    clock.advance(20.001)
    store.put("wx", "B", clock.now_ms(), {"wind": 50})
    (block,) = enricher.enrich(make_events({"origin": ["B", "C"]}), all_rows(2))
    assert store.reads[2][2] == ("B",)
    assert block.values[:, 0].tolist() == [50, 2]
    counts = enricher.counts
    assert (counts.rows_cached, counts.rows_read, counts.store_reads, counts.entities_read) == (3, 4, 3, 4)
    assert counts.cached_entities == {"wx": 3}


def test_a_stepped_wall_clock_does_not_keep_entries(build, store, clock, make_events, all_rows):
    enricher = build("small", cache={"ttl_s": 30})
    enricher.enrich(make_events({"origin": ["A"]}), all_rows(1))
    clock.advance(31)
    clock.wall_ms -= 3_600_000
    (block,) = enricher.enrich(make_events({"origin": ["A"]}), all_rows(1))
    assert len(store.reads) == 2
    assert block.ages_s[0, 0] == 5 + 31 - 3600


def test_ages_and_ttl_follow_event_time_in_a_replay(build, store, clock, make_events, all_rows):
    enricher = build("small", clock="event_time", cache={"ttl_s": 30})
    start = clock.now_ms()
    clock.advance(86_400 * 200)
    events = make_events({"origin": ["A", "A"]}, times_ms=[start, start + 20_000])
    (block,) = enricher.enrich(events, all_rows(2))
    assert block.ages_s[:, 0].tolist() == [5, 25]
    enricher.enrich(make_events({"origin": ["A"]}, times_ms=[start + 50_000]), all_rows(1))
    assert len(store.reads) == 1
    enricher.enrich(make_events({"origin": ["A"]}, times_ms=[start + 50_001]), all_rows(1))
    assert len(store.reads) == 2


def test_rejected_rows_become_failures_of_their_batch_row(build, clock, make_events):
    enricher = build(
        "large",
        views={"wx": {"policy": "reject", "max_age_s": 60}, "delays": {"policy": "reject", "max_age_s": 30}},
    )
    events = make_events({"origin": ["?", "A", "", "nowhere"]})
    (block,) = enricher.enrich(events, Routes(np.zeros(4, np.int16), (np.array([1, 2, 3]),)))
    assert block.rows.tolist() == []
    assert block.values.shape == (0, 3)
    assert {row: (f.code, f.field) for row, f in block.failures.items()} == {
        1: ("feature_stale", "delays"),
        2: ("entity_missing", "origin"),
        3: ("feature_missing", "delays"),
    }


def test_rows_that_are_not_rejected_stay_in_order(build, make_events, all_rows):
    enricher = build("small", views={"wx": {"policy": "reject"}})
    (block,) = enricher.enrich(make_events({"origin": ["A", None, "B", "x", "C"]}), all_rows(5))
    assert block.rows.tolist() == [0, 2, 4]
    assert block.values.tolist() == [[0], [1], [2]]
    assert block.ages_s.shape == block.freshness.shape == (3, 1)
    assert sorted(block.failures) == [1, 3]
    assert enricher.counts.rows_without_entity == 1


def test_an_unknown_entity_is_not_asked_for_again_at_once(build, store, clock, make_events, all_rows):
    enricher = build("small", cache={"ttl_s": 30})
    for _ in range(3):
        (block,) = enricher.enrich(make_events({"origin": ["x"]}), all_rows(1))
        assert np.isnan(block.values).all()
        assert np.isnan(block.ages_s).all()
        assert block.freshness.tolist() == [[Freshness.STALE_SERVED]]
    assert len(store.reads) == 1


def test_a_store_that_is_down_fails_the_batch_and_cached_rows_go_on(build, store, make_events, all_rows):
    enricher = build("small")
    enricher.enrich(make_events({"origin": ["A"]}), all_rows(1))
    store.fault = down
    with pytest.raises(FeatureStoreUnavailable):
        enricher.enrich(make_events({"origin": ["A", "B"]}), all_rows(2))
    (block,) = enricher.enrich(make_events({"origin": ["A"]}), all_rows(1))
    assert block.values.tolist() == [[0]]
    store.fault = None
    (block,) = enricher.enrich(make_events({"origin": ["A", "B"]}), all_rows(2))
    assert block.values.tolist() == [[0], [1]]
    assert enricher.counts.store_failures == 1


def test_after_the_limit_defaults_are_served_and_the_store_is_probed(build, store, clock, make_events, all_rows):
    enricher = build(
        "small",
        unavailable={"serve_defaults_after_s": 10, "retry_initial_s": 1, "retry_max_s": 60},
        views={"wx": {"policy": "reject", "defaults": {"wind": 7}}},
    )
    events = make_events({"origin": ["A", "B"]})
    store.fault = down
    with pytest.raises(FeatureStoreUnavailable):
        enricher.enrich(events, all_rows(2))
    clock.advance(10)
    (block,) = enricher.enrich(events, all_rows(2))
    assert block.values.tolist() == [[7], [7]]
    assert block.freshness.tolist() == [[Freshness.UNAVAILABLE_DEFAULTED]] * 2
    assert block.failures == {}
    assert len(store.reads) == 2
    enricher.enrich(events, all_rows(2))
    assert len(store.reads) == 2
    assert enricher.counts.rows_unavailable == 4
    store.fault = None
    clock.advance(2)
    (block,) = enricher.enrich(events, all_rows(2))
    assert block.values.tolist() == [[0], [1]]
    store.fault = down
    with pytest.raises(FeatureStoreUnavailable):
        enricher.enrich(make_events({"origin": ["C", "D"]}), all_rows(2))


def test_a_bug_is_not_an_outage(build, store, make_events, all_rows):
    def bug():
        raise TypeError("a bug")

    store.fault = bug
    enricher = build("small", unavailable={"serve_defaults_after_s": 0})
    with pytest.raises(TypeError, match="a bug"):
        enricher.enrich(make_events({"origin": ["A"]}), all_rows(1))


def test_a_batch_larger_than_the_cache_is_right_and_the_cache_stays_bounded(build, store, clock, make_events, all_rows):
    names = [f"o{index}" for index in range(50)]
    for index, name in enumerate(names):
        store.put("wx", name, clock.now_ms(), {"wind": index})
    enricher = build("small", cache={"max_entities": 7})
    for _ in range(3):
        (block,) = enricher.enrich(make_events({"origin": names}), all_rows(50))
        assert block.values[:, 0].tolist() == list(range(50))
    assert enricher.counts.cached_entities == {"wx": 7}
    assert enricher.counts.evictions > 0


def test_an_empty_batch_and_a_variant_without_rows(build, store, make_events):
    enricher = build("small", "large")
    empty = np.array([], np.int64)
    blocks = enricher.enrich(make_events({"origin": ["A"]}), Routes(np.zeros(1, np.int16), (empty, empty)))
    assert [block.values.shape for block in blocks] == [(0, 1), (0, 3)]
    assert store.reads == []
