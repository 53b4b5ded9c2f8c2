"""Values of the past from Feast's file store."""

import warnings
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest

from streamapp.errors import ConfigError
from tests.unit.enrich.conftest import NOW, Repository

NOW_MS = int(NOW.timestamp() * 1000)
HALF_S = timedelta(seconds=0.5)


def written(repository: Repository, view: str, **columns: Sequence[Any]) -> None:
    """The history of a view, as its offline store has it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        repository.pd.DataFrame(columns).to_parquet(repository.path / "data" / f"{view}.parquet")


@pytest.fixture
def history(repository: Repository, make_settings, make_event):
    """Winds at JFK 1 s and half a second ago and in half a second, at LGA only in half a second; the route likewise."""
    from streamapp.enrich.historical import HistoricalFeatures

    at: list[datetime] = [NOW - 2 * HALF_S, NOW - HALF_S, NOW + HALF_S, NOW + HALF_S]
    more = {"temp": [1.0, 2.0, 3.0, 4.0], "gusts": [1, 2, 3, 4], "rain": [True] * 4, "sky": ["a"] * 4}
    empty = {"hourly": [[0.0]] * 4}
    origin = ["JFK", "JFK", "JFK", "LGA"]
    written(repository, "weather", origin=origin, wind=[10.0, 20.0, 30.0, 40.0], ts=at, **more, **empty)
    written(repository, "route", origin=origin, plane_id=[1, 1, 1, 2], delay=[1.0, np.nan, 3.0, 4.0], ts=at)
    event = make_event(origin="string", plane_id="int64")
    references = ["weather:wind", "weather:gusts", "route:delay"]
    return HistoricalFeatures(make_settings(), event, references, repository.path, 100)


def test_the_newest_value_that_is_not_later_and_within_its_time_to_live(history) -> None:
    keys = ["JFK"] * 5 + ["LGA", "BOS"]
    as_of_ms = NOW_MS + np.array([-1_001, -501, -500, 499, 1_501, 0, 0])
    found = history.read("weather", keys, as_of_ms)
    # A second is how long they live: at +1.501 s the last one of +0.5 s has expired.
    assert found.keys() == {"weather:wind", "weather:gusts"}
    np.testing.assert_array_equal(found["weather:wind"], [np.nan, 10, 20, 20, np.nan, np.nan, np.nan])
    np.testing.assert_array_equal(found["weather:gusts"], [np.nan, 1, 2, 2, np.nan, np.nan, np.nan])


def test_keys_of_several_parts_and_missing_values(history) -> None:
    keys = [("JFK", 1), ("JFK", 1), ("LGA", 2), ("JFK", 2)]
    found = history.read("route", keys, NOW_MS + np.array([-501, 0, 500, 0]))
    np.testing.assert_array_equal(found["route:delay"], [1, np.nan, 4, np.nan])


def test_many_rows_are_asked_for_in_parts_and_each_once(history, monkeypatch) -> None:
    monkeypatch.setattr(history, "_rows", 2)
    sizes: list[int] = []
    ask = history._ask
    monkeypatch.setattr(history, "_ask", lambda view, pairs: sizes.append(len(pairs)) or ask(view, pairs))
    found = history.read("weather", ["JFK", "LGA", "JFK", "JFK", "BOS"], NOW_MS + np.array([0, 0, 0, 600, 600]))
    np.testing.assert_array_equal(found["weather:wind"], [20, np.nan, 20, 30, np.nan])
    assert sizes == [2, 2]
    assert len(history.read("weather", [], np.empty(0, np.int64))["weather:wind"]) == 0


def test_entities_come_from_the_event(history) -> None:
    columns = {"origin": ["JFK", "", None], "plane_id": np.array([1, 2, 3])}
    rows = np.arange(3)
    assert history.keys("weather", columns, rows) == ["JFK", None, None]
    assert history.keys("route", columns, rows) == [("JFK", 1), None, None]


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        ("wether:wind", "no feature view 'wether': did you mean 'weather'"),
        ("weather:wnd", "feature view 'weather' has no feature 'wnd': did you mean 'wind'"),
        ("weather:sky", "feature `weather:sky` is String in Feast, and a covariate is a number"),
        ("doubled:double", "'doubled' is a OnDemandFeatureView, which has no history"),
        ("world:index", "'world' has no entity"),
        ("plane:seats", "join key 'plane_id'.*the event has no field 'plane_id'"),
    ],
)
def test_what_cannot_be_asked_for_is_refused(
    repository: Repository, make_settings, make_event, reference: str, said: str
) -> None:
    from streamapp.enrich.historical import HistoricalFeatures

    with pytest.raises(ConfigError, match=said):
        HistoricalFeatures(make_settings(), make_event(origin="string"), [reference], repository.path, 100)


def test_history_that_is_not_there_is_an_error_of_the_repository(repository: Repository, make_settings, make_event):
    from streamapp.enrich.historical import HistoricalFeatures

    event = make_event(plane_id="int64")
    history = HistoricalFeatures(make_settings(), event, ["plane:seats"], repository.path, 100)
    with pytest.raises(ConfigError, match="feature view 'plane': its source is not there"):
        history.read("plane", [1], np.array([NOW_MS]))
