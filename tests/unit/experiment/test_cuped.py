import numpy as np
import pytest

from streamapp.experiment.cuped import adjust
from streamapp.experiment.moments import Moments


def test_it_is_the_regression_within_variants() -> None:
    rng = np.random.default_rng(7)
    sides = []
    for effect in (0.0, 5.0):
        x = rng.normal(10, 2, 4_000)
        sides.append((0.8 * x + rng.normal(0, 1.2, 4_000) + effect, x))
    found = adjust(*(Moments.of(y, x) for y, x in sides))
    pooled = [(y - y.mean(), x - x.mean()) for y, x in sides]
    theta = sum(x @ y for y, x in pooled) / sum(x @ x for _, x in pooled)
    assert found.theta == pytest.approx(theta)
    center = np.concatenate([x for _, x in sides]).mean()
    for side, (y, x) in zip(found.variants, sides, strict=True):
        adjusted = y - theta * (x - center)
        assert side.mean == pytest.approx(adjusted.mean())
        assert side.variance == pytest.approx(adjusted.var(ddof=1))
    # 0.64 * 4 / (0.64 * 4 + 1.44): the effect between the variants does not enter.
    assert found.reduction == pytest.approx(0.64, abs=0.02)


def test_without_a_covariate_nothing_changes() -> None:
    a, b = Moments.of([1.0, 2.0, 4.0]), Moments.of([2.0, 2.0, 9.0])
    found = adjust(a, b)
    assert (found.variants, found.theta, found.reduction) == ((a, b), 0.0, 0.0)
