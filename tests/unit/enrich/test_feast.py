"""The enricher against a real Feast repository: names, orders, types, ages, locks."""

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone

import numpy as np
import pytest

from streamapp.enrich import build_enricher, describe_features
from streamapp.enrich.reader import NO_ROW
from streamapp.errors import ConfigError, ContractError, FeatureStoreUnavailable
from streamapp.types import Freshness

NAN = float("nan")


@pytest.fixture
def now(clock):
    return datetime.fromtimestamp(clock.now_ms() / 1000, tz=timezone.utc)


@pytest.fixture
def build(repository, make_settings, make_event, make_variant, clock) -> Iterator:
    """Builds an enricher over services; closed at the end."""
    built = []

    def make(*services, event=None, **settings):
        event = event or make_event(origin="string", plane_id="int64", destination="string")
        variants = {f"v{index}": make_variant(service) for index, service in enumerate(services)}
        enricher = build_enricher(
            make_settings(repository.path.name, **settings), event, variants, repository.path.parent, clock
        )
        built.append(enricher)
        return enricher

    yield make
    for enricher in built:
        enricher.close()


def test_importing_the_stage_does_not_import_feast():
    code = "import sys, streamapp.enrich; sys.exit('feast' in sys.modules or 'pandas' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_numbers_of_every_type_and_text_left_out(repository, build, now, make_events, all_rows):
    repository.push(
        "weather", now, origin=["NUM"], wind=[1.5], temp=[20.25], gusts=[7], rain=[True], sky=["x"], hourly=[[1.0]]
    )
    (block,) = build("weather_only").enrich(make_events({"origin": ["NUM"]}), all_rows(1))
    assert sorted(block.names) == ["weather:gusts", "weather:rain", "weather:temp", "weather:wind"]
    assert dict(zip(block.names, block.values[0].tolist(), strict=True)) == {
        "weather:wind": 1.5,
        "weather:temp": 20.25,
        "weather:gusts": 7.0,
        "weather:rain": 1.0,
    }
    assert block.values.dtype == np.float32
    assert block.views == ("weather",)
    assert block.ages_s.tolist() == [[0.0]]
    assert block.freshness.tolist() == [[Freshness.FRESH]]


def test_columns_follow_the_service_by_name_where_feast_answers_in_another_order(
    repository, build, now, make_events, all_rows
):
    repository.push(
        "weather", now, origin=["ORD"], wind=[1.0], temp=[2.0], gusts=[3], rain=[False], sky=[""], hourly=[[0.0]]
    )
    repository.push("plane", now, plane_id=[5], seats=[200], year=[1999])
    (block,) = build("reordered").enrich(make_events({"origin": ["ORD"], "plane_id": [5]}), all_rows(1))
    assert block.names == ("plane:year", "plane:seats", "weather:temp", "weather:wind")
    assert block.values.tolist() == [[1999.0, 200.0, 2.0, 1.0]]
    answer = repository.store.get_online_features(
        features=repository.store.get_feature_service("reordered"),
        entity_rows=[{"origin": "ORD", "plane_id": 5}],
        full_feature_names=True,
    ).to_dict()
    by_name = {name.replace("__", ":"): values[0] for name, values in answer.items() if "__" in name}
    assert by_name == dict(zip(block.names, block.values[0].tolist(), strict=True))


def test_renamed_views_share_one_read_whatever_event_field_names_the_entity(
    repository, build, now, make_events, all_rows
):
    for code, wind in (("AAA", 1.0), ("BBB", 2.0)):
        repository.push(
            "weather",
            now,
            origin=[code],
            wind=[wind],
            temp=[wind * 10],
            gusts=[int(wind * 100)],
            rain=[False],
            sky=[""],
            hourly=[[0.0]],
        )
    enricher = build("two_airports", "weather_only")
    events = make_events({"origin": ["AAA", "BBB"], "destination": ["BBB", "AAA"]})
    renamed, plain = enricher.enrich(events, all_rows(2, variants=2))
    assert renamed.names == ("from_wx:wind", "from_wx:temp", "to_wx:temp", "to_wx:gusts")
    assert renamed.values.tolist() == [[1.0, 10.0, 20.0, 200.0], [2.0, 20.0, 10.0, 100.0]]
    assert renamed.views == ("from_wx", "to_wx")
    assert plain.values[:, plain.names.index("weather:wind")].tolist() == [1.0, 2.0]
    assert enricher.counts.store_reads == 1
    assert enricher.counts.entities_read == 2


def test_one_view_twice_under_one_name_is_one_view(build, make_events, all_rows):
    (block,) = build("same_name_twice").enrich(make_events({"origin": ["?"]}), all_rows(1))
    assert block.names == ("weather:temp", "weather:wind")
    assert block.views == ("weather",)


def test_composite_keys_and_views_without_entities(repository, build, now, make_events, all_rows):
    repository.push("route", now, origin=["AAA", "AAA"], plane_id=[1, 2], delay=[5.0, 6.0])
    repository.write_without_entity("world", now, index=9.0)
    events = make_events({"origin": ["AAA", "AAA", "BBB", None], "plane_id": [2, 1, 1, 1]})
    (block,) = build("routes").enrich(events, all_rows(4))
    assert block.names == ("route:delay", "world:index")
    np.testing.assert_array_equal(block.values, np.array([[6, 9], [5, 9], [NAN, 9], [NAN, 9]], np.float32))


def test_the_ttl_of_feast_is_not_relied_on(repository, build, now, make_events, all_rows):
    repository.push("plane", now - timedelta(hours=3), plane_id=[30], seats=[100], year=[2000])
    events = make_events({"origin": ["?"], "plane_id": [30]})
    (served,) = build("reordered").enrich(events, all_rows(1))
    assert served.values[0, :2].tolist() == [2000.0, 100.0]
    assert served.ages_s[0, 0] == 3 * 3600
    (rejected,) = build("reordered", views={"plane": {"max_age_s": 3600, "policy": "reject"}}).enrich(
        events, all_rows(1)
    )
    assert len(rejected.rows) == 0
    assert rejected.failures[0].code == "feature_stale"


def test_bad_entities_do_not_fail_their_neighbours(repository, build, now, make_events, all_rows):
    repository.push("plane", now, plane_id=[1], seats=[100], year=[2001])
    events = make_events(
        {"origin": ["", None, "\ud800", "ok"], "plane_id": np.array([1.0, NAN, 1e300, 1.0])},
    )
    (block,) = build("reordered").enrich(events, all_rows(4))
    assert block.values[:, 0].tolist()[::3] == [2001.0, 2001.0]
    assert np.isnan(block.values[1:3, 0]).all()


def test_a_category_names_the_entity_by_its_label(repository, build, now, make_event, make_events, all_rows):
    repository.push(
        "weather", now, origin=["LGA"], wind=[4.0], temp=[0.0], gusts=[0], rain=[False], sky=[""], hourly=[[0.0]]
    )
    event = make_event(origin={"dtype": "category", "allowed": ["JFK", "LGA"]})
    events = make_events({"origin": np.array([1, -1], np.int32)})
    (block,) = build("weather_only", event=event).enrich(events, all_rows(2))
    wind = block.values[:, block.names.index("weather:wind")]
    assert wind[0] == 4.0
    assert np.isnan(wind[1])


def test_a_feature_that_was_added_after_the_row_was_written_is_missing(repository, build, now, make_events, all_rows):
    database = sqlite3.connect(repository.path / "data" / "online.db")
    repository.push("plane", now, plane_id=[77], seats=[1], year=[2])
    with database:
        database.execute(
            "DELETE FROM flights_plane WHERE feature_name = 'seats' AND hex(entity_key) LIKE '%4D00000000000000'"
        )
    database.close()
    events = make_events({"origin": ["?"], "plane_id": [77]})
    (block,) = build("reordered", views={"plane": {"policy": "default", "defaults": {"seats": 150}}}).enrich(
        events, all_rows(1)
    )
    assert block.values[0, :2].tolist() == [2.0, 150.0]
    assert block.freshness[0, 0] == Freshness.DEFAULTED


def test_a_locked_database_is_an_outage_that_ends(repository, build, now, make_events, all_rows):
    repository.push("plane", now, plane_id=[8], seats=[80], year=[1980])
    enricher = build("reordered", unavailable={"read_timeout_s": 0.5})
    events = make_events({"origin": ["?"], "plane_id": [8]})
    lock = sqlite3.connect(repository.path / "data" / "online.db", isolation_level=None)
    lock.execute("BEGIN EXCLUSIVE")
    with pytest.raises(FeatureStoreUnavailable, match=r"within 0\.5 s"):
        enricher.enrich(events, all_rows(1))
    with pytest.raises(FeatureStoreUnavailable, match="still hangs"):
        enricher.enrich(events, all_rows(1))
    lock.execute("ROLLBACK")
    lock.close()
    (block,) = enricher.enrich(events, all_rows(1))
    assert block.values[0, 0] == 1980.0
    assert enricher.counts.store_failures == 2


@pytest.fixture
def build_on(repository, make_settings, make_event, make_variant, clock, tmp_path) -> Iterator:
    """Builds an enricher over the session's registry and another online database."""
    built = []

    def make(database):
        (tmp_path / "feature_store.yaml").write_text(
            f"project: flights\nprovider: local\nregistry: {repository.path / 'data' / 'registry.db'}\n"
            f"online_store: {{type: sqlite, path: {database}}}\nentity_key_serialization_version: 3\n"
        )
        variants = {"v": make_variant("weather_only")}
        built.append(build_enricher(make_settings(), make_event(origin="string"), variants, tmp_path, clock))
        return built[-1]

    yield make
    for enricher in built:
        enricher.close()


def test_a_database_that_is_no_database_is_an_outage(build_on, make_events, all_rows, tmp_path):
    (tmp_path / "broken.db").write_bytes(b"not a database" * 100)
    with pytest.raises(FeatureStoreUnavailable, match="not a database"):
        build_on("broken.db").enrich(make_events({"origin": ["?"]}), all_rows(1))


def test_a_missing_table_is_an_error_of_the_repository(build_on, make_events, all_rows):
    with pytest.raises(ConfigError, match="no such table"):
        build_on("empty.db").enrich(make_events({"origin": ["?"]}), all_rows(1))


def test_the_ways_in_which_stores_say_that_there_is_nothing(feast):
    from feast.protos.feast.types.Value_pb2 import Value

    from streamapp.enrich.feast import fill_rows

    epoch, naive = datetime(1970, 1, 1, tzinfo=timezone.utc), datetime.fromisoformat("1970-01-01T00:00:01.500999")
    answers = [
        (None, None),
        (epoch, {"a": Value(), "b": Value()}),
        (naive, {"b": Value(int64_val=3), "a": Value()}),
        (naive, {"a": Value(string_val="was text"), "b": Value(double_val=1e300)}),
        (naive, {}),
    ]
    values, event_times_ms = np.full((5, 2), np.nan, np.float32), np.full(5, NO_ROW)
    fill_rows(answers, ["a", "b"], values, event_times_ms)
    expected = np.array([[NAN, NAN], [NAN, NAN], [NAN, 3], [NAN, np.inf], [NAN, NAN]], np.float32)
    np.testing.assert_array_equal(values, expected)
    assert event_times_ms.tolist() == [NO_ROW, NO_ROW, 1500, 1500, NO_ROW]


def test_description_shows_keys_views_and_types(repository, make_settings, make_variant):
    variants = {"a": make_variant("two_airports"), "b": make_variant(None)}
    (service,) = describe_features(make_settings(repository.path.name), variants, repository.path.parent).values()
    assert dict(service.dtypes) == {
        "from_wx:wind": "Float32",
        "from_wx:temp": "Float64",
        "to_wx:temp": "Float64",
        "to_wx:gusts": "Int64",
    }
    to = service.views[1]
    assert (to.name, to.stored) == ("to_wx", "weather")
    assert [(key.name, key.event_name, key.dtype) for key in to.join_keys] == [("origin", "destination", "string")]


def test_an_unknown_service_is_answered_with_the_nearest(build):
    with pytest.raises(ConfigError, match=r"did you mean 'reordered'\? There are: .*weather_only"):
        build("re_ordered")


def test_a_computed_view_is_refused(build):
    with pytest.raises(ConfigError, match="OnDemandFeatureView is computed by the caller"):
        build("computed")


def test_a_text_feature_is_no_model_input(repository, make_settings, make_event, make_variant, clock):
    settings = make_settings(repository.path.name)
    variants = {"v": make_variant("weather_only", "weather:wind", "weather:sky")}
    with pytest.raises(ContractError, match="'weather:sky', which is String"):
        build_enricher(settings, make_event(origin="string"), variants, repository.path.parent, clock)


def test_a_folder_without_a_repository(make_settings, make_event, make_variant, clock, tmp_path):
    with pytest.raises(ConfigError, match=r"no feature_store\.yaml"):
        build_enricher(make_settings("nowhere"), make_event(origin="string"), {"v": make_variant("s")}, tmp_path, clock)


def test_a_broken_repository_file(feast, make_settings, make_event, make_variant, clock, tmp_path):
    (tmp_path / "feature_store.yaml").write_text("project: x\nprovider: local\nonline_store: {type: nonsense}\n")
    with pytest.raises(ConfigError, match="Feast repository"):
        build_enricher(make_settings(), make_event(origin="string"), {"v": make_variant("s")}, tmp_path, clock)


def test_an_empty_registry_says_apply(feast, make_settings, make_event, make_variant, clock, tmp_path):
    (tmp_path / "feature_store.yaml").write_text(
        "project: x\nprovider: local\nregistry: data/r.db\nonline_store: {type: sqlite, path: data/o.db}\n"
        "entity_key_serialization_version: 3\n"
    )
    with pytest.raises(ConfigError, match="feast apply"):
        build_enricher(make_settings(), make_event(origin="string"), {"v": make_variant("s")}, tmp_path, clock)
