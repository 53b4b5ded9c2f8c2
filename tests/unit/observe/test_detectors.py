import numpy as np
import pytest

from streamapp.observe.detectors import BLOCK_DETECTORS, ddm


@pytest.mark.parametrize("name", sorted(BLOCK_DETECTORS))
def test_a_block_detector_is_silent_on_noise_and_finds_a_shift(name: str) -> None:
    detector = BLOCK_DETECTORS[name]()
    scores = np.random.RandomState(1).normal(0.0, 1.0, 60_000)
    scores[50_000:] += 1.0
    spoke = []
    for block, score in enumerate(scores.tolist()):
        detector.update(score)
        if detector.drift_detected:
            spoke.append(block)
    assert spoke
    assert 50_000 < spoke[0] < 50_100


def test_ddm_is_silent_while_errors_are_constant_and_speaks_when_they_grow() -> None:
    rng = np.random.RandomState(1)
    wrong = np.concatenate([rng.random_sample(40_000) < 0.2, rng.random_sample(10_000) < 0.3])
    detector = ddm()
    spoke = []
    for row, x in enumerate(wrong.tolist()):
        detector.update(x)
        if detector.drift_detected:
            spoke.append(row)
    assert len(spoke) == 1
    assert 40_000 < spoke[0] < 46_000
