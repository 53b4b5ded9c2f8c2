"""The Parquet files behind the demo's feature repository.

`python -m streamapp.demo.sources feature_repo` prepares a repository for `feast apply` and `feast materialize`.
"""

import sys
from pathlib import Path

import pandas as pd

from streamapp.demo.flights import YEAR, FlightData, load

REGISTERED = pd.Timestamp(year=YEAR, month=1, day=1, tz="UTC")
"""When the demo's planes became known."""


def write_sources(data: FlightData, repository: Path) -> None:
    """Write `data/weather.parquet` and `data/planes.parquet` below `repository`; planes count from New Year's Day."""
    folder = repository / "data"
    folder.mkdir(parents=True, exist_ok=True)
    data.weather.to_parquet(folder / "weather.parquet", index=False)
    data.planes.assign(registered=REGISTERED).to_parquet(folder / "planes.parquet", index=False)


if __name__ == "__main__":
    write_sources(load(), Path(sys.argv[1]))
