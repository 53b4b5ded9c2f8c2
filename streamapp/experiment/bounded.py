"""An exact confidence sequence for the difference of two means of bounded values; proportions are the case of 0 and 1.

Exact: P(the true difference is outside at any moment, ever) <= alpha, at every sample size, for any distribution on
[0, 1]. Assumed: units enter one by one and the mean of a unit's value, given all units before it, is its variant's
mean; the weights are those the units were assigned by (wrong weights cost width, never validity).

A bet of size b in (0, 1) against the mean m of a variant multiplies a capital by exp(b (x - m) - psi(b) (x - m)^2),
psi(b) = -log(1 - b) - b, whose expectation is at most 1 because x - m >= -1 (Fan, Grama and Liu 2015, "Exponential
inequalities for martingales with applications", Lemma 4.1; Howard, Ramdas, McAuliffe and Sekhon 2021, "Time-uniform,
nonparametric, nonasymptotic confidence sequences", Theorem 4, here with the deviation taken from m itself, so that
counts and sums are all that is needed). A bet that the difference is larger than d bets on the treatment's values and
on the control's mirrored ones, x -> 1 - x, in inverse proportion to their weights, so that what is bet on the level
cancels. Capitals of several bet sizes are mixed (ibid., section 3.4). By Ville's inequality the capital of the true
means exceeds 1 / alpha at any time with probability at most alpha (as in Waudby-Smith and Ramdas 2024, "Estimating
means of bounded random variables by betting", section 3). The level is unknown: a share of alpha pays for an interval
of the control's mean, and the least capital over it counts.
"""

from dataclasses import dataclass

import numpy as np

from streamapp.bets import BETS, price
from streamapp.experiment.interval import Interval
from streamapp.experiment.moments import Moments
from streamapp.types import Float64

LEVEL_SHARE = 0.1
"""Of alpha, for the interval of the level."""

_PARTS, _ROUNDS = 64, 7
"""The end of an interval is searched for in so many parts at once, so many times."""


@dataclass(frozen=True, slots=True, eq=False)
class Arm:
    """One variant in k experiments at once, values in [0, 1]: float64 (k,) each: count, sum, sum of squares."""

    n: Float64
    total: Float64
    squares: Float64

    def mirrored(self) -> "Arm":
        """Of 1 - x."""
        return Arm(self.n, self.n - self.total, self.n - 2 * self.total + self.squares)

    @staticmethod
    def of(moments: Moments) -> "Arm":
        """One experiment; k is 1."""
        total = moments.n * moments.mean
        return Arm(np.array([float(moments.n)]), np.array([total]), np.array([moments.yy + total * moments.mean]))


def log_capital(
    difference: Float64, control: Arm, treatment: Arm, alpha: float, weights: tuple[float, float]
) -> Float64:
    """Log capital (k,) of betting that treatment - control is more than `difference` (k,).

    A difference at or above which the truth lies is excluded where this reaches log(1 / ((1 - LEVEL_SHARE) alpha));
    alpha is one side's. It falls with `difference`. weights: (control, treatment), of any sum.
    """
    mirror = control.mirrored()
    level = LEVEL_SHARE * alpha / 2
    # The mirrored control's mean, where the treatment's, difference + 1 - it, is a possible one as well.
    low = np.maximum(_lower_mean(mirror, level), difference)
    high = np.minimum(1 - _lower_mean(control, level), 1 + difference)
    least = min(weights)
    exponents = [
        _exponent(treatment, difference + 1 - mean, least / weights[1]) + _exponent(mirror, mean, least / weights[0])
        for mean in (low, np.maximum(high, low))
    ]
    # A capital's exponent is concave in the level: on an interval it is least at one of the two ends.
    lowest = np.minimum(*exponents)
    top = lowest.max(axis=0)
    mixed: Float64 = top + np.log(np.exp(lowest - top).mean(axis=0))
    return np.where(low > high, np.inf, mixed)


def excludes(
    difference: Float64, control: Arm, treatment: Arm, alpha: float, weights: tuple[float, float] = (0.5, 0.5)
) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """Whether each of k intervals of two-sided level 1 - alpha leaves its `difference` (k,) out."""
    limit = _limit(alpha / 2)
    above = log_capital(difference, control, treatment, alpha / 2, weights) >= limit
    below = log_capital(-difference, treatment, control, alpha / 2, weights[::-1]) >= limit
    found: np.ndarray[tuple[int, ...], np.dtype[np.bool_]] = above | below
    return found


def bounded_interval(
    control: Moments, treatment: Moments, alpha: float, weights: tuple[float, float] = (0.5, 0.5)
) -> Interval:
    """The interval now, for values in [0, 1]. Without a unit on each side it is [-1, 1]."""
    if control.n == 0 or treatment.n == 0:
        return Interval(0.0, -1.0, 1.0, exact=True)
    lower = _lower(Arm.of(control), Arm.of(treatment), alpha / 2, weights)
    upper = -_lower(Arm.of(treatment), Arm.of(control), alpha / 2, weights[::-1])
    return Interval(treatment.mean - control.mean, lower, upper, exact=True)


def _lower(control: Arm, treatment: Arm, alpha: float, weights: tuple[float, float]) -> float:
    """The largest difference found to be excluded from above; -1 if none is."""
    limit = _limit(alpha)
    excluded, kept = -1.0, float(treatment.total[0] / treatment.n[0] - control.total[0] / control.n[0])
    for _ in range(_ROUNDS):
        tried: Float64 = np.linspace(excluded, kept, _PARTS + 2)
        out = int(np.sum(log_capital(tried[1:-1], control, treatment, alpha, weights) >= limit))
        excluded, kept = float(tried[out]), float(tried[out + 1])
    return excluded


def _limit(alpha: float) -> float:
    return float(-np.log((1 - LEVEL_SHARE) * alpha))


def _exponent(arm: Arm, mean: Float64, share: float) -> Float64:
    """Log capital (bets, k) against `mean` (k,), of bets that are `share` of the full ones."""
    bets: Float64 = (BETS * share)[:, np.newaxis]
    spread = arm.squares - 2 * mean * arm.total + arm.n * mean**2
    found: Float64 = bets * (arm.total - arm.n * mean) - price(bets) * spread
    return found


def _lower_mean(arm: Arm, alpha: float) -> Float64:
    """A lower confidence sequence (k,) for one mean: the best of all bets, each at its share of alpha."""
    bets: Float64 = BETS[:, np.newaxis]
    prices = price(bets)
    needed = np.log(BETS.size / alpha)
    # price n m^2 + (bet n - 2 price total) m + (price squares - bet total + needed) = 0, the larger root
    slope = 2 * prices * arm.total - bets * arm.n
    inside = slope**2 + 4 * prices * arm.n * (bets * arm.total - prices * arm.squares - needed)
    with np.errstate(invalid="ignore", divide="ignore"):
        root = (slope + np.sqrt(np.maximum(inside, 0))) / (2 * prices * arm.n)
    usable = (inside > 0) & (arm.n > 0)
    found: Float64 = np.clip(np.where(usable, root, 0.0), 0.0, 1.0).max(axis=0)
    return found
