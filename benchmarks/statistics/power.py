"""Units until an effect is found, against the fixed-horizon z-test of the same alpha and 80 % power."""

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from benchmarks.statistics.sums import Sums, asymptotic, exact

_LOOKS_PER_HORIZON = 20
_HORIZONS = 6


@dataclass(frozen=True, slots=True)
class Power:
    """horizon: units of both variants that the z-test needs for 80 %.

    median: of the units until ours decides, as a multiple of the horizon. by: multiple -> share decided.
    """

    name: str
    alpha: float
    horizon: int
    median: float
    by: dict[float, float]


def proportion(p: float, q: float, alpha: float, seed: int, runs: int) -> Power:
    each = _horizon(p * (1 - p) + q * (1 - q), q - p, alpha)
    rng = np.random.default_rng(seed)

    def grow(side: Sums, mean: float, units: int) -> None:
        happened = rng.binomial(units, mean, runs)
        side.n += units
        side.y += happened
        side.yy += happened

    return _measure(f"{p:.0%} to {q:.1%}", alpha, each, runs, lambda a, b, n: (grow(a, p, n), grow(b, q, n)), "exact")


def mean(effect: float, alpha: float, seed: int, runs: int) -> Power:
    each = _horizon(2.0, effect, alpha)
    rng = np.random.default_rng(seed)

    def grow(side: Sums, mean: float, units: int) -> None:
        total = units * mean + np.sqrt(units) * rng.standard_normal(runs)
        side.n += units
        side.y += total
        side.yy += rng.chisquare(units - 1, runs) + total**2 / units

    name = f"normal, {effect:g} standard deviations"
    return _measure(name, alpha, each, runs, lambda a, b, n: (grow(a, 0.0, n), grow(b, effect, n)), "asymptotic")


def _horizon(variances: float, effect: float, alpha: float) -> int:
    z = NormalDist().inv_cdf(1 - alpha / 2) + NormalDist().inv_cdf(0.8)
    return int(np.ceil(z**2 * variances / effect**2))


def _measure(name, alpha, each, runs, grow, method) -> Power:
    sides = Sums.zeros(runs), Sums.zeros(runs)
    decided = np.full(runs, np.inf)
    step = max(2, each // _LOOKS_PER_HORIZON)
    while sides[0].n[0] < _HORIZONS * each:
        grow(*sides, step)
        found = exact(*sides, 0.0, alpha, (0.5, 0.5)) if method == "exact" else asymptotic(*sides, 0.0, alpha)
        decided = np.where(found & np.isinf(decided), sides[0].n / each, decided)
    by = {multiple: float((decided <= multiple).mean()) for multiple in (1.0, 2.0, 3.0, 4.0)}
    return Power(name, alpha, 2 * each, float(np.median(decided)), by)
