"""What the two models look at: float32 columns in the pipeline file's words, the same for training and serving."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from streamapp.demo.flights import PLANE, WEATHER
from streamapp.types import Float32

WEATHER_MAX_AGE_S = 3 * 3600
"""Older weather is no weather: online by the pipeline's `max_age_s`, in training by the join's tolerance."""
CATEGORIES = ("carrier", "origin", "dest")
SCHEDULE = ("hour", "minute", "weekday", "distance", *CATEGORIES)
CHAMPION = SCHEDULE
CHALLENGER = (*SCHEDULE, *(f"airport_weather:{name}" for name in WEATHER), *(f"plane:{name}" for name in PLANE))


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Allowed values of each categorical field; a value's code is its place."""

    allowed: Mapping[str, Sequence[str]]

    @staticmethod
    def of(flights: pd.DataFrame) -> "Vocabulary":
        """Every carrier, origin and destination of the data, sorted."""
        return Vocabulary({name: tuple(sorted(flights[name].unique())) for name in CATEGORIES})


def join_features(flights: pd.DataFrame, weather: pd.DataFrame, planes: pd.DataFrame) -> pd.DataFrame:
    """The flights in order, each with the last weather known at its scheduled departure and with its plane.

    A point-in-time join by `pandas.merge_asof`: Feast's own join from files builds every pair of flight and
    measurement first, and needs more memory than a laptop has.
    """
    tolerance = pd.Timedelta(seconds=WEATHER_MAX_AGE_S)
    known = weather.rename(columns={name: f"airport_weather:{name}" for name in WEATHER})
    joined = pd.merge_asof(flights, known, left_on="scheduled", right_on="measured", by="origin", tolerance=tolerance)
    return joined.merge(planes.rename(columns={name: f"plane:{name}" for name in PLANE}), on="tailnum", how="left")


def matrix(joined: pd.DataFrame, columns: Sequence[str], vocabulary: Vocabulary) -> Float32:
    """float32 (n, len(columns)); categories as codes, what is missing as NaN."""
    parts = [
        pd.Categorical(joined[name], list(vocabulary.allowed[name])).codes if name in CATEGORIES else joined[name]
        for name in columns
    ]
    return np.column_stack([np.asarray(part, np.float32) for part in parts])
