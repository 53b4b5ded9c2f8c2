"""The online store of the demo: filled with what is known at the start, then written to as weather is measured."""

from pathlib import Path

import pandas as pd
from feast import FeatureStore

WEATHER_VIEW = "airport_weather"
PLANE_VIEW = "plane"


class OnlineStore:
    """The store of an applied repository whose sources have been written."""

    def __init__(self, repository: Path) -> None:
        self._store = FeatureStore(str(repository))

    def fill(self, planes: pd.DataFrame, weather: pd.DataFrame, start: pd.Timestamp) -> None:
        """Bring it to the state of `start`: every plane, and the weather last measured by then."""
        self._store.write_to_online_store(PLANE_VIEW, planes)
        known = weather[weather["measured"] <= start].groupby("origin", as_index=False).last()
        self.measured(known)

    def measured(self, rows: pd.DataFrame) -> None:
        """Take in measurements, the rows of one hour: about 5 ms. Blocking."""
        self._store.write_to_online_store(WEATHER_VIEW, rows)
