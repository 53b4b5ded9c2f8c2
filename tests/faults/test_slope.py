"""The straight line of the soak."""

import numpy as np
import pytest

from tests.faults.slope import slope


@pytest.mark.parametrize("per_hour", [-50.0, 0.0, 200.0])
def test_a_line_is_found_in_noise(per_hour: float) -> None:
    at_s = np.arange(1800.0)
    values = 300 + per_hour * at_s / 3600 + np.random.default_rng(1).normal(0, 2, len(at_s))
    found = slope(at_s.tolist(), values.tolist())
    assert found.per_hour == pytest.approx(per_hour, abs=4 * found.error)
    assert 0 < found.error < 2
    assert found.grows(10.0) == (per_hour > 10)


def test_what_wanders_is_not_taken_for_growth() -> None:
    """A walk's samples are no independent ones: over a thousand of them the error must not become tiny."""
    steps = np.random.default_rng(7).normal(0, 0.1, (50, 1800))
    walks = steps.cumsum(axis=1) - np.linspace(0, 1, 1800) * steps.sum(axis=1, keepdims=True)
    found = [slope(list(range(1800)), walk.tolist()) for walk in walks]
    assert sum(line.grows(2.0) for line in found) < 25


def test_too_few_samples_are_refused() -> None:
    with pytest.raises(ValueError, match="too few"):
        slope([0.0, 1.0], [1.0, 2.0])
