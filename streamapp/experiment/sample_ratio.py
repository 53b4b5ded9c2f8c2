"""Sample-ratio check: were units assigned by the weights? If not, every comparison is suspect.

Exact at every count. A Dirichlet mixture over what the shares might be instead, centred at the weights, against the
weights: Lindon and Malek 2022, "Anytime-valid inference for multinomial count data", section 2. The ratio of the two
likelihoods is a martingale under the weights, so 1 / ratio is a p-value that may be looked at at any moment. Weights
may change: each period of constant weights has its own mixture, and the ratios multiply.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from streamapp.errors import ConfigError
from streamapp.types import Float64

ALARM_P = 0.001
"""Below it, the check raises its alarm."""

CONCENTRATION = 10_000.0
"""Of the mixture: about the count of units at whose precision a deviation is looked for first."""

_log_gamma = np.frompyfunc(math.lgamma, 1, 1)


def log_ratio(counts: Float64, weights: Sequence[float], concentration: float = CONCENTRATION) -> Float64:
    """Log likelihood ratio (...) of counts (..., variants) within one period. weights: positive, of any sum."""
    shares = np.asarray(weights, np.float64) / math.fsum(weights)
    prior = concentration * shares
    units = counts.sum(axis=-1)
    gained = (_gamma(prior + counts) - _gamma(prior)).sum(axis=-1) - counts @ np.log(shares)
    found: Float64 = gained - (_gamma(concentration + units) - math.lgamma(concentration))
    return found


@dataclass(frozen=True, slots=True)
class Period:
    """Units that were first seen while these weights were in force, by variant. A weight is more than 0."""

    weights: Mapping[str, float]
    counts: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.weights or not all(math.isfinite(weight) and weight > 0 for weight in self.weights.values()):
            raise ConfigError(f"weights {dict(self.weights)}: each must be a finite number above 0; leave others out")
        if strange := sorted(set(self.counts) - set(self.weights)):
            raise ConfigError(f"units of {', '.join(strange)}, which has no weight in this period")
        if any(count < 0 or count != int(count) for count in self.counts.values()):
            raise ConfigError(f"counts {dict(self.counts)}: each must be a whole number, at least 0")

    def add(self, variant: str, units: int = 1) -> "Period":
        """With more units of one variant. Raises `ConfigError` for a variant without a weight."""
        return Period(self.weights, {**self.counts, variant: self.counts.get(variant, 0) + units})

    def log_ratio(self, concentration: float = CONCENTRATION) -> float:
        """Evidence against the weights; 0 without units."""
        names = list(self.weights)
        counts = np.array([float(self.counts.get(name, 0)) for name in names])
        return float(log_ratio(counts, [self.weights[name] for name in names], concentration))


@dataclass(frozen=True, slots=True)
class SampleRatio:
    """Periods in their order. `merge` adds the counts of another worker, which saw the same periods."""

    periods: tuple[Period, ...]

    def p_value(self, concentration: float = CONCENTRATION) -> float:
        """Anytime-valid: under the weights, P(it is ever at or below a) <= a."""
        return math.exp(min(0.0, -math.fsum(period.log_ratio(concentration) for period in self.periods)))

    @property
    def alarm(self) -> bool:
        """Whether p < 0.001."""
        return self.p_value() < ALARM_P

    def merge(self, other: "SampleRatio") -> "SampleRatio":
        """Raises `ConfigError` unless the weights are the same, period by period."""
        if [dict(p.weights) for p in self.periods] != [dict(p.weights) for p in other.periods]:
            raise ConfigError("sample ratios of different weights cannot be added; align their periods first")
        pairs = zip(self.periods, other.periods, strict=True)
        return SampleRatio(tuple(_sum(mine, theirs) for mine, theirs in pairs))

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, for JSON or a control record."""
        return {"periods": [{"weights": dict(p.weights), "counts": dict(p.counts)} for p in self.periods]}

    @staticmethod
    def from_dict(found: Mapping[str, Any]) -> "SampleRatio":
        """What `to_dict` wrote. Raises `ConfigError` for anything else."""
        try:
            return SampleRatio(tuple(Period(dict(p["weights"]), dict(p["counts"])) for p in found["periods"]))
        except (KeyError, TypeError, ValueError) as error:
            raise ConfigError(f"not a sample ratio: {error}") from error


def _sum(mine: Period, theirs: Period) -> Period:
    return Period(mine.weights, {v: mine.counts.get(v, 0) + theirs.counts.get(v, 0) for v in mine.weights})


def _gamma(x: Float64) -> Float64:
    found: Float64 = np.asarray(_log_gamma(x), np.float64)
    return found
