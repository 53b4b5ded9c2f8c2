"""Does a series grow? A straight line through it, with an error that neighbours in time do not make too small."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

BLOCKS = 20
"""The series is averaged over this many stretches first: samples a second apart are not independent."""


@dataclass(frozen=True, slots=True)
class Slope:
    """per_hour and its standard error, in the series' unit."""

    per_hour: float
    error: float

    def grows(self, least_per_hour: float) -> bool:
        """Whether the growth is beyond twice its error and more than `least_per_hour`."""
        return self.per_hour > max(2 * self.error, least_per_hour)


def slope(at_s: Sequence[float], values: Sequence[float]) -> Slope:
    """Least squares over the means of `BLOCKS` stretches of equal length. Raises `ValueError` for fewer samples."""
    if len(values) < BLOCKS:
        raise ValueError(f"{len(values)} samples are too few for a slope over {BLOCKS} stretches")
    hours = np.array([part.mean() for part in np.array_split(np.asarray(at_s, np.float64), BLOCKS)]) / 3600
    means = np.array([part.mean() for part in np.array_split(np.asarray(values, np.float64), BLOCKS)])
    centred = hours - hours.mean()
    spread = float((centred**2).sum())
    per_hour = float((centred * means).sum()) / spread
    rest = means - means.mean() - per_hour * centred
    return Slope(per_hour, float(np.sqrt((rest**2).sum() / (BLOCKS - 2) / spread)))
