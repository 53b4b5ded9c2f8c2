"""A histogram that takes whole columns: prometheus_client's takes one value at a time."""

from bisect import bisect_left
from collections.abc import Sequence

import numpy as np

from streamapp.types import Float64, Int64


class Histogram:
    """Counts of values in buckets (-inf, bounds[0]], (bounds[0], bounds[1]], …, (bounds[-1], inf)."""

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = tuple(bounds)
        self._edges = np.array(self.bounds)
        self._counts: Int64 = np.zeros(len(self.bounds) + 1, np.int64)
        self._total = 0.0

    def add(self, value: float) -> None:
        """Count one value."""
        self._counts[bisect_left(self.bounds, value)] += 1
        self._total += value

    def add_all(self, values: Float64) -> None:
        """Count values float64 (n,), none of them NaN."""
        buckets = np.searchsorted(self._edges, values, side="left")
        self._counts += np.bincount(buckets, minlength=len(self._counts))
        self._total += float(values.sum())

    def cumulative(self) -> tuple[list[int], float]:
        """Values at or below each bound, and all of them, as Prometheus counts (`le`); and their sum."""
        return np.cumsum(self._counts).tolist(), self._total
