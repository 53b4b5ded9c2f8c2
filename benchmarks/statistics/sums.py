"""Sums of many simulated experiments at once, and the sequences that look at them."""

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from streamapp.experiment.asymptotic import BURN_IN, half_width
from streamapp.experiment.bounded import Arm, excludes
from streamapp.types import Float64


@dataclass(slots=True)
class Sums:
    """One variant of k experiments, float64 (k,) each: counts and raw sums of y, y², x, x², xy."""

    n: Float64
    y: Float64
    yy: Float64
    x: Float64
    xx: Float64
    xy: Float64

    @staticmethod
    def zeros(runs: int) -> "Sums":
        return Sums(*(np.zeros(runs) for _ in range(6)))

    def add(self, chosen: np.ndarray, y: Float64, x: Float64 | None = None) -> None:
        """Rows are experiments, columns units; `chosen` says which are of this variant."""
        taken = y * chosen
        self.n += chosen.sum(axis=1)
        self.y += taken.sum(axis=1)
        self.yy += np.einsum("ij,ij->i", taken, y)
        if x is not None:
            covariate = x * chosen
            self.x += covariate.sum(axis=1)
            self.xx += np.einsum("ij,ij->i", covariate, x)
            self.xy += np.einsum("ij,ij->i", covariate, y)

    def centred(self) -> tuple[Float64, Float64, Float64]:
        """yy, xx, xy about the means."""
        return self.yy - self.y**2 / self.n, self.xx - self.x**2 / self.n, self.xy - self.x * self.y / self.n


def exact(a: Sums, b: Sums, difference: float, alpha: float, weights: tuple[float, float]) -> np.ndarray:
    arms = Arm(a.n, a.y, a.yy), Arm(b.n, b.y, b.yy)
    return excludes(np.full(a.n.shape, difference), *arms, alpha, weights)


def asymptotic(a: Sums, b: Sums, difference: float, alpha: float, cuped: bool = False) -> np.ndarray:
    estimate, variance = _estimate(a, b, cuped)
    out = np.abs(estimate - difference) > half_width(variance, a.n + b.n, alpha)
    return out & (np.minimum(a.n, b.n) >= BURN_IN)


def z_test(a: Sums, b: Sums, difference: float, alpha: float) -> np.ndarray:
    """The fixed-horizon test, asked again at every look, from the same burn-in on."""
    estimate, variance = _estimate(a, b, cuped=False)
    out = np.abs(estimate - difference) > NormalDist().inv_cdf(1 - alpha / 2) * np.sqrt(variance)
    return out & (np.minimum(a.n, b.n) >= BURN_IN)


def _estimate(a: Sums, b: Sums, cuped: bool) -> tuple[Float64, Float64]:
    (ayy, axx, axy), (byy, bxx, bxy) = a.centred(), b.centred()
    estimate = b.y / b.n - a.y / a.n
    if cuped:
        # What is left of a constant covariate is rounding.
        xx = axx + bxx
        theta = np.where(xx > 1e-6, (axy + bxy) / np.maximum(xx, 1e-6), 0.0)
        estimate = estimate - theta * (b.x / b.n - a.x / a.n)
        ayy, byy = (yy - 2 * theta * xy + theta**2 * xx for yy, xx, xy in ((ayy, axx, axy), (byy, bxx, bxy)))
    return estimate, ayy / (a.n - 1) / a.n + byy / (b.n - 1) / b.n
