"""Thompson sampling between two variants, for a whole interval at a time.

Giving the candidate the share of keys that equals the posterior probability of its being the better one is what drawing
from the posteriors for every key comes to (probability matching: Thompson 1933, "On the likelihood that one unknown
probability exceeds another in view of the evidence of two samples"). The posterior sets the shares only: read after
every look it is wrong far more often than it says, so who has won is for `contest` to say.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamapp.act.analysis import Result
from streamapp.act.contest import Contest
from streamapp.act.rewards import Rewards
from streamapp.act.steps import Explore

DRAWS = 20_000
_LEAST_VARIANCE = 1e-6
"""Of a reward in [0, 1], for the prior: rewards that were all alike so far are not known to be so for ever."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a look at a bandit comes to. weight: the candidate's share, per cent. best: the posterior probability that
    it is the better one. result: None while it must go on."""

    weight: float
    best: float
    contest: Contest
    result: Result | None
    reason: str


def judge(
    step: Explore, weight: float, contest: Contest, rewards: tuple[Rewards, Rewards], seed: int, draws: int = DRAWS
) -> Judgement:
    """Look at all rewards of the candidate and of the champion since the step began.

    weight: the candidate's so far, which it keeps until both have `step.labels`. contest: as the last look left it.
    """
    candidate, champion = (each.scaled(step.low, step.high) for each in rewards)
    kept = _within(step, weight)
    if not (candidate.within and champion.within):
        reason = f"labels are outside of {step.low:g} to {step.high:g}: start it with their minReward and maxReward"
        return Judgement(kept, 0.5, contest, Result.INCONCLUSIVE, reason)
    contest = contest.grown(candidate, champion)
    if min(candidate.count, champion.count) < step.labels:
        counts = f"{candidate.count:,.0f} labels of the candidate, {champion.count:,.0f} of the champion"
        return Judgement(kept, 0.5, contest, None, f"{counts}: nothing is decided on fewer than {step.labels:,} each")
    best = probability_better(candidate, champion, seed, draws)
    better, worse = contest.log_odds
    needed = -math.log1p(-step.confidence)
    result = Result.SUCCESSFUL if better >= needed else Result.FAILED if worse >= needed else None
    reason = (
        f"{_odds(better)} to 1 that the candidate is better, {_odds(worse)} to 1 that it is worse, {_odds(needed)} to "
        f"1 decides (mean label {rewards[0].mean:.4g} of {candidate.count:,.0f}, champion {rewards[1].mean:.4g} of "
        f"{champion.count:,.0f})"
    )
    return Judgement(_within(step, 100 * best), best, contest, result, reason)


def probability_better(candidate: Rewards, champion: Rewards, seed: int, draws: int = DRAWS) -> float:
    """The posterior probability that the candidate's mean reward is the higher one, by `draws` draws from `seed`.

    One model for both: normal rewards with a conjugate normal-inverse-gamma prior that is worth one reward of the mean
    and variance of all, so that a mean has Student's t distribution (Gelman et al. 2013, "Bayesian Data Analysis",
    section 3.3). Rewards are scaled to [0, 1].
    """
    everything = candidate + champion
    if not everything.count:
        return 0.5
    variance = max(everything.about(everything.mean) / everything.count, _LEAST_VARIANCE)
    random = np.random.default_rng(seed)
    ours, theirs = (_draw(each, everything.mean, variance, random, draws) for each in (candidate, champion))
    return float((ours > theirs).mean())


def _draw(
    rewards: Rewards, center: float, variance: float, random: np.random.Generator, draws: int
) -> NDArray[np.float64]:
    n = rewards.count
    mean = (center + rewards.total) / (1 + n)
    # alpha 1 + n / 2 and beta, from alpha 1 and beta `variance`; about(center) / 2 is the within and the between part.
    alpha = 1 + n / 2
    beta = variance + max(0.0, rewards.about(center) - (1 + n) * (mean - center) ** 2) / 2
    drawn: NDArray[np.float64] = mean + np.sqrt(beta / alpha / (1 + n)) * random.standard_t(2 * alpha, draws)
    return drawn


def _within(step: Explore, weight: float) -> float:
    return min(max(weight, step.least), 100 - step.least)


def _odds(log: float) -> str:
    return f"{math.exp(min(log, 700.0)):.3g}"
