"""What is kept of one variant's units for one metric: counts and moments, no values."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields

import numpy as np
import numpy.typing as npt

from streamapp.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Moments:
    """Count, means and centred second moments of n pairs (value y, covariate x).

    yy, xx, xy: sums of squared or multiplied deviations from the means, in the squared units. A metric without a
    covariate keeps x at zero. Moments of several workers add up with `merge`, in any order, to what one worker would
    have; all intervals are functions of moments alone, so they do not depend on the order of the units either.
    Update: Chan, Golub and LeVeque 1979, "Updating formulae and a pairwise algorithm for computing sample variances".
    """

    n: int = 0
    mean: float = 0.0
    yy: float = 0.0
    x_mean: float = 0.0
    xx: float = 0.0
    xy: float = 0.0

    def add(self, value: float, covariate: float = 0.0) -> "Moments":
        """With one more unit. Raises `ConfigError` for a number that is not finite."""
        if not (math.isfinite(value) and math.isfinite(covariate)):
            raise ConfigError(f"value {value}, covariate {covariate}: both must be finite numbers")
        return self.merge(Moments(1, value, 0.0, covariate))

    def merge(self, other: "Moments") -> "Moments":
        """Both together."""
        if self.n == 0 or other.n == 0:
            return other if self.n == 0 else self
        n = self.n + other.n
        share, both = other.n / n, self.n * other.n / n
        dy, dx = other.mean - self.mean, other.x_mean - self.x_mean
        return Moments(
            n,
            self.mean + dy * share,
            self.yy + other.yy + dy * dy * both,
            self.x_mean + dx * share,
            self.xx + other.xx + dx * dx * both,
            self.xy + other.xy + dx * dy * both,
        )

    @property
    def variance(self) -> float:
        """Of the values, with n - 1; infinite below two units."""
        return self.yy / (self.n - 1) if self.n > 1 else math.inf

    def scaled(self, low: float, high: float) -> "Moments":
        """Of (y - low) / (high - low); the covariate stays."""
        span = high - low
        return Moments(self.n, (self.mean - low) / span, self.yy / span**2, self.x_mean, self.xx, self.xy / span)

    def to_dict(self) -> dict[str, float]:
        """Plain numbers, for JSON or a control record."""
        return asdict(self)

    @staticmethod
    def from_dict(found: Mapping[str, float]) -> "Moments":
        """What `to_dict` wrote. Raises `ConfigError` for anything else."""
        names = {field.name for field in fields(Moments)}
        if set(found) != names:
            raise ConfigError(f"moments have the keys {sorted(names)}, not {sorted(found)}")
        if not all(isinstance(v, (int, float)) and math.isfinite(v) for v in found.values()):
            raise ConfigError("moments must be finite numbers")
        if found["n"] < 0 or found["n"] != int(found["n"]) or found["yy"] < 0 or found["xx"] < 0:
            raise ConfigError("moments: n must be a whole number, and n, yy and xx at least 0")
        return Moments(int(found["n"]), *(float(found[name]) for name in ("mean", "yy", "x_mean", "xx", "xy")))

    @staticmethod
    def of(values: Sequence[float] | npt.NDArray[np.float64], covariates: Sequence[float] | None = None) -> "Moments":
        """Of n values, and as many covariates. Raises `ConfigError` unless all are finite and their counts match."""
        y = np.asarray(values, np.float64)
        x = np.zeros_like(y) if covariates is None else np.asarray(covariates, np.float64)
        if y.shape != x.shape or y.ndim != 1:
            raise ConfigError(f"{y.shape} values and {x.shape} covariates: both must be one-dimensional, of one length")
        if not (np.isfinite(y).all() and np.isfinite(x).all()):
            raise ConfigError("values and covariates must be finite numbers")
        if not y.size:
            return Moments()
        dy, dx = y - y.mean(), x - x.mean()
        return Moments(y.size, float(y.mean()), float(dy @ dy), float(x.mean()), float(dx @ dx), float(dx @ dy))
