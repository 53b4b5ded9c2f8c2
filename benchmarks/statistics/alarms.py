"""False alarms and coverage: how often the truth is ever outside, looked at after every batch."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from benchmarks.statistics.sums import Sums, asymptotic, exact, z_test
from streamapp.types import Float64

ALPHAS = (0.05, 0.01)
Draw = Callable[[np.random.Generator, tuple[int, int], int], tuple[Float64, Float64 | None]]


@dataclass(frozen=True, slots=True)
class Case:
    """draw(rng, (runs, units), look) -> values without the effect, covariates. effect is added to the treatment.

    method: exact, asymptotic or cuped. events: of each unit; above 1 the values are events, unit by unit, and
    by_unit says whether their mean per unit enters or each for itself.
    """

    name: str
    method: str
    draw: Draw
    effect: float = 0.0
    share: float = 0.5
    events: int = 1
    by_unit: bool = True
    flips: bool = False


@dataclass(frozen=True, slots=True)
class Rates:
    """Shares of runs in which the true difference was ever outside: by our sequence, by the repeated z-test."""

    case: Case
    ours: dict[float, float]
    repeated: dict[float, float]


def measure(case: Case, seed: int, runs: int, looks: int, batch: int) -> Rates:
    """`looks` batches of `batch` units of both variants, assigned at random."""
    rng = np.random.default_rng(seed)
    sides = Sums.zeros(runs), Sums.zeros(runs)
    ours = {alpha: np.zeros(runs, bool) for alpha in ALPHAS}
    repeated = {alpha: np.zeros(runs, bool) for alpha in ALPHAS}
    weights = (1 - case.share, case.share)
    for look in range(looks):
        _grow(sides, case, rng, (runs, batch), look)
        for alpha in ALPHAS:
            if case.method == "exact":
                out = exact(*sides, case.effect, alpha, weights)
            else:
                out = asymptotic(*sides, case.effect, alpha, cuped=case.method == "cuped")
            ours[alpha] |= out
            repeated[alpha] |= z_test(*sides, case.effect, alpha)
    means = [{alpha: float(found.mean()) for alpha, found in kind.items()} for kind in (ours, repeated)]
    return Rates(case, *means)


def _grow(sides: tuple[Sums, Sums], case: Case, rng: np.random.Generator, shape: tuple[int, int], look: int) -> None:
    treated = rng.random(shape) < case.share
    y, x = case.draw(rng, shape, look)
    if case.flips:  # an effect on a proportion that keeps values at 0 and 1
        y = np.where(treated & (y == 0), (rng.random(shape) < case.effect / 0.9).astype(float), y)
    elif case.effect:
        y = y + case.effect * treated
    if case.events > 1:
        # y is each unit's probability; its events follow it, so they resemble each other.
        happened = rng.binomial(case.events, y).astype(float)
        if case.by_unit:
            y = happened / case.events
        else:
            for side, chosen in zip(sides, (~treated, treated), strict=True):
                side.n += case.events * chosen.sum(axis=1)
                side.y += (happened * chosen).sum(axis=1)
                side.yy += (happened * chosen).sum(axis=1)
            return
    sides[0].add(~treated, y, x)
    sides[1].add(treated, y, x)


def coin(p: float) -> Draw:
    return lambda rng, shape, look: ((rng.random(shape) < p).astype(float), None)


def drifting(rng: np.random.Generator, shape: tuple[int, int], look: int) -> tuple[Float64, None]:
    return (rng.random(shape) < 0.1 + 0.05 * np.sin(look / 5)).astype(float), None


def normal(rng: np.random.Generator, shape: tuple[int, int], look: int) -> tuple[Float64, None]:
    return rng.standard_normal(shape), None


def exponential(rng: np.random.Generator, shape: tuple[int, int], look: int) -> tuple[Float64, None]:
    return rng.standard_exponential(shape), None


def lognormal(sigma: float) -> Draw:
    return lambda rng, shape, look: (np.exp(sigma * rng.standard_normal(shape)), None)


def beta(a: float, b: float) -> Draw:
    return lambda rng, shape, look: (rng.beta(a, b, shape), None)


def covariate(rng: np.random.Generator, shape: tuple[int, int], look: int) -> tuple[Float64, Float64]:
    """Correlation 0.8."""
    x = rng.standard_normal(shape)
    return 0.8 * x + 0.6 * rng.standard_normal(shape), x


def skewed_covariate(rng: np.random.Generator, shape: tuple[int, int], look: int) -> tuple[Float64, Float64]:
    x = rng.standard_exponential(shape)
    return x * rng.standard_exponential(shape), x


class Partly:
    """The same for four units of five; the fifth counts with the mean of those before it, and the first `late` units,
    which have none either, with that of the next one. Starts anew at look 0."""

    def __init__(self, late: int = 0) -> None:
        self._late = late

    def __call__(self, rng: np.random.Generator, shape: tuple[int, int], look: int) -> tuple[Float64, Float64]:
        y, x = covariate(rng, shape, look)
        x, known = x + 3.0, rng.random(shape) < 0.8
        if look == 0:
            self._count, self._total = np.zeros((shape[0], 1)), np.zeros((shape[0], 1))
            self._first = rng.standard_normal((shape[0], 1))
        first = self._late - look * shape[1]
        known[:, : max(first, 0)] = False
        if 0 <= first < shape[1]:
            known[:, first] = True
            y[:, first] += 0.8 * (self._first[:, 0] + 3.0 - x[:, first])
            x[:, first] = self._first[:, 0] + 3.0
        counts, totals = self._count + known.cumsum(axis=1), self._total + (x * known).cumsum(axis=1)
        self._count, self._total = counts[:, -1:], totals[:, -1:]
        earlier = counts - known
        before = np.where(earlier > 0, (totals - x * known) / np.maximum(earlier, 1), self._first + 3.0)
        return y, np.where(known, x, before)


CASES = (
    Case("proportion 10 %", "exact", coin(0.1)),
    Case("proportion 1 %", "exact", coin(0.01)),
    Case("proportion 50 %", "exact", coin(0.5)),
    Case("proportion 10 %, split 90 : 10", "exact", coin(0.1), share=0.1),
    Case("proportion whose level drifts, 5 to 15 %", "exact", drifting),
    Case("proportion 10 % against 12 % (coverage)", "exact", coin(0.1), effect=0.02, flips=True),
    Case("bounded, beta(0.5, 4.5)", "exact", beta(0.5, 4.5)),
    Case("mean, normal", "asymptotic", normal),
    Case("mean, normal, effect 0.1 (coverage)", "asymptotic", normal, effect=0.1),
    Case("mean, exponential", "asymptotic", exponential),
    Case("mean, lognormal, sigma 1", "asymptotic", lognormal(1.0)),
    Case("mean, lognormal, sigma 2", "asymptotic", lognormal(2.0)),
    Case("mean, lognormal, sigma 1, split 90 : 10", "asymptotic", lognormal(1.0), share=0.1),
    Case("mean, lognormal, sigma 2, split 90 : 10", "asymptotic", lognormal(2.0), share=0.1),
    Case("mean with CUPED, correlation 0.8", "cuped", covariate),
    Case("mean with CUPED, effect 0.1 (coverage)", "cuped", covariate, effect=0.1),
    Case("mean with CUPED, skewed", "cuped", skewed_covariate),
    Case("20 correlated events a unit, by unit", "exact", beta(0.5, 4.5), events=20),
    Case("20 correlated events a unit, by event", "exact", beta(0.5, 4.5), events=20, by_unit=False),
    Case("the same, mean, by unit", "asymptotic", beta(0.5, 4.5), events=20),
    Case("the same, mean, by event", "asymptotic", beta(0.5, 4.5), events=20, by_unit=False),
    Case("mean with CUPED, a fifth without a covariate", "cuped", Partly()),
    Case("mean with CUPED, none before unit 2,000", "cuped", Partly(late=2_000)),
)
