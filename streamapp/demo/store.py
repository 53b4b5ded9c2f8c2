"""The demo's Feast repository: applied, filled with what is known at the start, and written to during the replay."""

from pathlib import Path

import pandas as pd
from feast import FeatureStore
from feast.repo_config import load_repo_config
from feast.repo_operations import apply_total

from streamapp.demo.flights import FlightData
from streamapp.demo.sources import REGISTERED

WEATHER_VIEW = "airport_weather"
PLANE_VIEW = "plane"


def apply(repository: Path) -> None:
    """What `feast apply` does in `repository`."""
    settings = load_repo_config(repository, repository / "feature_store.yaml")
    apply_total(settings, repository, skip_source_validation=True)


def fill(repository: Path, data: FlightData, start: pd.Timestamp) -> None:
    """Bring the online store to the state of `start`: every plane, and the weather last measured by then."""
    store = FeatureStore(str(repository))
    store.write_to_online_store(PLANE_VIEW, data.planes.assign(registered=REGISTERED))
    known = data.weather[data.weather["measured"] <= start].groupby("origin", as_index=False).last()
    store.write_to_online_store(WEATHER_VIEW, known)


class WeatherFeed:
    """Writes measurements to the online store, one hour of all airports at a time: about 5 ms each."""

    def __init__(self, repository: Path) -> None:
        self._store = FeatureStore(str(repository))

    def measured(self, rows: pd.DataFrame) -> None:
        """Take in the rows of one hour: origin, measured and the weather columns. Blocking."""
        self._store.write_to_online_store(WEATHER_VIEW, rows)
