"""The sample-ratio check: false alarms under the weights, units until an imbalance is found."""

import numpy as np

from streamapp.experiment.sample_ratio import ALARM_P, log_ratio


def alarms(weights: list[tuple[float, ...]], seed: int, runs: int, looks: int, batch: int) -> float:
    """Share of runs in which p was ever below 0.001. Weights hold for equal numbers of looks, one after the other."""
    rng, limit = np.random.default_rng(seed), -np.log(ALARM_P)
    before, ever = np.zeros(runs), np.zeros(runs, bool)
    for shares in weights:
        counts = np.zeros((runs, len(shares)))
        for _ in range(looks // len(weights)):
            counts += rng.multinomial(batch, shares, runs)
            ever |= before + log_ratio(counts, shares) > limit
        before += log_ratio(counts, shares)
    return float(ever.mean())


def found_after(share: float, seed: int, runs: int, looks: int, batch: int) -> np.ndarray:
    """Units (runs,) until the alarm, where 50 : 50 was meant and `share` is true; infinite if never."""
    rng, limit = np.random.default_rng(seed), -np.log(ALARM_P)
    counts, found = np.zeros((runs, 2)), np.full(runs, np.inf)
    for look in range(1, looks + 1):
        counts += rng.multinomial(batch, (share, 1 - share), runs)
        alarmed = log_ratio(counts, (0.5, 0.5)) > limit
        found = np.where(alarmed & np.isinf(found), look * batch, found)
    return found
