"""Thompson sampling between two variants, for a whole interval at a time.

Giving the candidate the share of keys that equals the posterior probability of its being the better one is what drawing
from the posteriors for every key comes to (probability matching: Thompson 1933, "On the likelihood that one unknown
probability exceeds another in view of the evidence of two samples").
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

DRAWS = 20_000


@dataclass(frozen=True, slots=True)
class Rewards:
    """What a variant's answers brought: their number, their sum and the sum of their squares."""

    count: float
    total: float
    squares: float


def probability_better(candidate: Rewards, champion: Rewards, seed: int) -> float:
    """The posterior probability that the candidate's mean reward is the higher one, by `DRAWS` draws from `seed`.

    Rewards that are all 0 or 1 have a beta posterior from a uniform prior; others Student's t around their mean, from
    the reference prior (Gelman et al. 2013, "Bayesian Data Analysis", sections 2.4 and 3.2). 0.5 while either side has
    fewer than two rewards.
    """
    if min(candidate.count, champion.count) < 2:
        return 0.5
    random = np.random.default_rng(seed)
    return float((_draw(candidate, random) > _draw(champion, random)).mean())


def _draw(rewards: Rewards, random: np.random.Generator) -> NDArray[np.float64]:
    n, total = rewards.count, rewards.total
    if rewards.squares == total and 0 <= total <= n:
        return random.beta(1 + total, 1 + n - total, DRAWS)
    mean = total / n
    variance = max(rewards.squares - n * mean * mean, 0.0) / (n - 1)
    drawn: NDArray[np.float64] = mean + np.sqrt(variance / n) * random.standard_t(n - 1, DRAWS)
    return drawn
