"""Bandits whose shares follow the labels: how often one ends with the wrong version, looked at after every interval."""

import math
from dataclasses import dataclass

import numpy as np

from benchmarks.statistics.sums import Sums, exact
from streamapp.act.bandit import judge
from streamapp.act.contest import Contest
from streamapp.act.rewards import Rewards
from streamapp.act.steps import Explore
from streamapp.types import Float64

CONFIDENCES = (0.99, 0.95)
_DRAWS = 500


@dataclass(frozen=True, slots=True)
class Bandit:
    """levels: mean label of the champion at a look, a cycle. lift: the candidate's more. late: looks that half of the
    labels are late by. between: labels between two looks, 0 for as many as are asked for. spread: labels are beta
    distributed with that many counts, instead of 0 and 1. least: share that either is left with, per cent."""

    name: str
    levels: tuple[float, ...]
    lift: float = 0.0
    late: int = 0
    between: int = 0
    spread: float | None = None
    least: float = 5.0

    def labels(self, rng: np.random.Generator, look: int, candidate: bool, count: int) -> Rewards:
        mean = self.levels[look % len(self.levels)] + (self.lift if candidate else 0.0)
        if self.spread is None:
            happened = float(rng.binomial(count, mean))
            return Rewards(float(count), happened, happened)
        values = rng.beta(mean * self.spread, (1 - mean) * self.spread, count)
        return Rewards(float(count), float(values.sum()), float((values**2).sum()))


@dataclass(frozen=True, slots=True)
class Ends:
    """Shares of runs, by confidence: promoted and aborted by our rule, promoted by the posterior, decided by the exact
    sequence of totals. labels: until our rule promoted at 0.99, median over all runs, infinite if it did not."""

    promoted: dict[float, float]
    aborted: dict[float, float]
    posterior: dict[float, float]
    totals: dict[float, float]
    labels: float


def measure(bandit: Bandit, seed: int, runs: int, looks: int, batch: int) -> Ends:
    """`looks` intervals with `batch` labels of both variants."""
    batch = bandit.between or batch
    rng = np.random.default_rng(seed)
    better, worse, best = (np.zeros((runs, looks)) for _ in range(3))
    totals = np.zeros((2, 3, runs, looks))
    for run in range(runs):
        for look, (contest, posterior, sides) in enumerate(_run(bandit, rng, looks, batch)):
            better[run, look], worse[run, look] = contest.log_odds
            best[run, look] = posterior
            totals[:, :, run, look] = [(side.count, side.total, side.squares) for side in sides]
    first = {c: _first(better >= -math.log1p(-c)) for c in CONFIDENCES}
    last = {c: _first(worse >= -math.log1p(-c)) for c in CONFIDENCES}
    return Ends(
        {c: float((first[c] < last[c]).mean()) for c in CONFIDENCES},
        {c: float((last[c] < first[c]).mean()) for c in CONFIDENCES},
        {c: float((_first(best >= c) < _first(best <= 1 - c)).mean()) for c in CONFIDENCES},
        {c: _by_totals(totals, 2 * (1 - c)) for c in CONFIDENCES},
        float(np.median((first[0.99] + 1) * batch)),
    )


def _run(bandit: Bandit, rng: np.random.Generator, looks: int, batch: int):
    step, contest, weight = Explore(1.0, looks, bandit.least), Contest(), bandit.least
    sides, on_their_way = (Rewards(), Rewards()), []
    for look in range(looks):
        ours = int(rng.binomial(batch, weight / 100))
        counts = np.array([ours, batch - ours])
        held = counts // 2 if bandit.late else counts * 0
        on_their_way.append((look, held))
        arrived = [(look, counts - held), *(on_their_way[-bandit.late - 1 :][:1] if look >= bandit.late else [])]
        for when, (of_candidate, of_champion) in arrived:
            sides = (
                sides[0] + bandit.labels(rng, when, True, int(of_candidate)),
                sides[1] + bandit.labels(rng, when, False, int(of_champion)),
            )
        found = judge(step, weight, contest, sides, int(rng.integers(2**32)), _DRAWS)
        contest, weight = found.contest, found.weight
        yield contest, found.best, sides


def _by_totals(totals: Float64, alpha: float) -> float:
    """The exact sequence of a report, that of fixed shares, on totals."""
    ever = np.zeros(totals.shape[2], bool)
    for look in range(totals.shape[3]):
        candidate, champion = (Sums(*side[:, :, look], *np.zeros((3, side.shape[1]))) for side in totals)
        ever |= exact(champion, candidate, 0.0, alpha, (0.5, 0.5))
    return float(ever.mean())


def _first(reached: np.ndarray) -> Float64:
    """The look (runs,) at which something was first so; infinite if never."""
    return np.where(reached.any(axis=1), reached.argmax(axis=1), np.inf)


_DAYS = tuple(0.1 + 0.05 * math.sin(look / 5) for look in range(100))
EQUAL = (
    Bandit("equal, 10 %", (0.1,)),
    Bandit("equal, 1 %", (0.01,)),
    Bandit("equal, 50 %", (0.5,)),
    Bandit("equal, beta(0.5, 4.5)", (0.1,), spread=5.0),
    Bandit("equal, a level that drifts, 5 to 15 %", _DAYS),
    Bandit("the same, half of the labels 5 looks late", _DAYS, late=5),
)
UNEQUAL = (
    Bandit("10 % to 11 %", (0.1,), 0.01),
    Bandit("10 % to 12 %", (0.1,), 0.02),
    Bandit("10 % to 12 %, minWeight 25", (0.1,), 0.02, least=25.0),
    Bandit("10 % to 15 %", (0.1,), 0.05),
    Bandit("10 % to 8 %", (0.1,), -0.02),
)
LATE_AND_MANY = (
    Bandit("equal, drifting, half late, 4,000 labels between", _DAYS, late=5, between=4_000),
    Bandit("equal, drifting, half late, 20,000 labels between", _DAYS, late=5, between=20_000),
)
"""What the rule does not hold for: an interval mixes levels and shares of several."""
