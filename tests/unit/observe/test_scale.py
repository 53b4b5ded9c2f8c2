import itertools

import numpy as np
import pytest

from streamapp.observe.scale import CLIP, Scale, fit


def test_independent_blocks_have_no_memory() -> None:
    scale = fit(np.random.RandomState(1).normal(20.0, 2.0, 5000))
    assert scale.phi == pytest.approx(0.0, abs=0.05)
    assert (scale.mean, scale.spread) == (pytest.approx(20.0, abs=0.2), pytest.approx(2.0, abs=0.1))


def test_residuals_of_autocorrelated_blocks_are_independent_and_keep_their_mean() -> None:
    noise = np.random.RandomState(2).normal(0.0, 1.0, 20_000)
    blocks = np.empty_like(noise)
    blocks[0] = 0.0
    for i in range(1, len(blocks)):
        blocks[i] = 0.8 * blocks[i - 1] + noise[i]
    blocks += 5.0
    scale = fit(blocks)
    assert scale.phi == pytest.approx(0.8, abs=0.02)
    assert scale.mean == pytest.approx(5.0, abs=0.2)
    # The long-run spread of an AR(1): noise / (1 - phi).
    assert scale.spread == pytest.approx(5.0, rel=0.1)
    z = np.array([scale.standardise(b, a) for a, b in itertools.pairwise(blocks)])
    assert np.corrcoef(z[1:], z[:-1])[0, 1] == pytest.approx(0.0, abs=0.03)
    assert z.std() == pytest.approx(1.0, abs=0.02)


@pytest.mark.parametrize("level", [0.0, 0.1, 1e9])
def test_a_constant_reference_scores_a_change_at_the_clip(level: float) -> None:
    scale = fit(np.full(60, level))
    assert scale.standardise(level, level) == pytest.approx(0.0, abs=1e-3)
    assert scale.standardise(level * 1.01 + 0.01, level) == CLIP
    assert scale.standardise(level * 0.99 - 0.01, level) == -CLIP


def test_a_score_is_cut_off() -> None:
    assert Scale(0.0, 0.0, 1.0).standardise(1e12, 0.0) == CLIP
