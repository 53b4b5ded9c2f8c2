"""Fixed bins, the same in every process, so that counts of several workers can be added."""

import numpy as np

from streamapp.types import Float64, Int64

TIME_BINS, TIMES_PER_DECADE = 160, 20
"""Seconds from 100 µs to 10 000 s, 20 bins per power of ten: a quantile is right within 12 %."""

UNIT_BINS = 200
"""Numbers in [0, 1], 0.005 each."""
TAIL_BINS = 128
"""Numbers beyond, on either side: 0.25 in ln(1 + 1 000 x), which far from 0 is a quarter of the number itself."""
NUMBER_BINS = UNIT_BINS + 2 * TAIL_BINS

_FIRST_S = 1e-4
_TAIL_STEP = 0.25


def time_bins(seconds: Float64) -> Int64:
    """The bins of n durations, int64 (n,) in [0, TIME_BINS)."""
    with np.errstate(divide="ignore"):
        places = np.floor(np.log10(np.maximum(seconds, 0.0) / _FIRST_S) * TIMES_PER_DECADE)
    clipped: Int64 = np.clip(places, 0, TIME_BINS - 1).astype(np.int64)
    return clipped


def time_quantile(counts: Float64, q: float) -> float:
    """The upper end, in seconds, of the bin that the q-quantile is in; counts float64 (TIME_BINS,), not all 0."""
    place = int(np.searchsorted(np.cumsum(counts), q * counts.sum()))
    return float(_FIRST_S * 10 ** ((min(place, TIME_BINS - 1) + 1) / TIMES_PER_DECADE))


def number_bins(values: Float64) -> Int64:
    """The bins of n finite numbers, int64 (n,) in [0, NUMBER_BINS), in the order of the numbers."""
    tail = np.minimum(np.log1p(1000.0 * np.abs(values)) / _TAIL_STEP, TAIL_BINS - 1).astype(np.int64)
    inside = TAIL_BINS + np.minimum(values * UNIT_BINS, UNIT_BINS - 1)
    beyond = np.where(values < 0, TAIL_BINS - 1 - tail, TAIL_BINS + UNIT_BINS + tail)
    return np.where((values >= 0) & (values <= 1), inside, beyond).astype(np.int64)


def counted(bins: Int64, size: int) -> Float64:
    """How often each bin occurs, float64 (size,)."""
    return np.bincount(bins, minlength=size).astype(np.float64)
