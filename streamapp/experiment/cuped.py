"""CUPED: a covariate measured before exposure takes the variance it explains out of the metric.

Deng, Xu, Kohavi and Walker 2013, "Improving the sensitivity of online controlled experiments by utilizing
pre-experiment data", section 3: y - theta (x - mean of x), theta = cov(x, y) / var(x). theta is pooled over the
variants, within each, so that the effect itself does not enter it. What follows is asymptotic, as theta is estimated.
"""

from dataclasses import dataclass

from streamapp.experiment.moments import Moments


@dataclass(frozen=True, slots=True)
class Adjusted:
    """Moments of the adjusted values, in the order that was given.

    theta: metric units per covariate unit, 0 where the covariate does not vary. reduction: the share of the variance
    of the values, pooled within the variants, that the covariate explains: 0 to 1.
    """

    variants: tuple[Moments, ...]
    theta: float
    reduction: float


def adjust(*variants: Moments) -> Adjusted:
    """Every variant with the pooled theta, about the mean covariate of all. No variant may affect the covariate."""
    xx, xy, yy = (sum(getattr(variant, name) for variant in variants) for name in ("xx", "xy", "yy"))
    units = sum(variant.n for variant in variants)
    theta = xy / xx if xx > 0 else 0.0
    center = sum(variant.n * variant.x_mean for variant in variants) / units if units else 0.0
    reduction = min(1.0, xy * xy / (xx * yy)) if xx > 0 and yy > 0 else 0.0
    return Adjusted(tuple(_adjusted(variant, theta, center) for variant in variants), theta, reduction)


def _adjusted(variant: Moments, theta: float, center: float) -> Moments:
    yy = max(0.0, variant.yy - 2 * theta * variant.xy + theta * theta * variant.xx)
    mean = variant.mean - theta * (variant.x_mean - center)
    return Moments(variant.n, mean, yy, variant.x_mean, variant.xx, variant.xy - theta * variant.xx)
