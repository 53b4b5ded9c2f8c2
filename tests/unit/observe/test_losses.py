import numpy as np
import pytest

from streamapp.observe.join import Joined
from streamapp.observe.losses import LossMonitor
from streamapp.types import Signal, Variant

VARIANTS = (Variant("champion", "m", "1"), Variant("challenger", "m", "2"))
N = 20_000


def _joined(start: int, stop: int, scores: np.ndarray, labels: np.ndarray) -> Joined:
    rows = slice(start, stop)
    times_ms = 1000 * np.arange(start, stop, dtype=np.int64)
    ids = [f"e{i}" for i in range(start, stop)]
    return Joined(
        ids, times_ms, np.zeros(stop - start, np.int16), scores[rows], labels[rows], np.zeros(stop - start, np.int32)
    )


def _run(classifies: bool, scores: np.ndarray, labels: np.ndarray, step: int) -> list[Signal]:
    monitor = LossMonitor(VARIANTS, classifies, 32, 2000, 24.0)
    return [
        signal
        for start in range(0, len(labels), step)
        for signal in monitor.observe(_joined(start, min(start + step, len(labels)), scores, labels))
    ]


def _world() -> tuple[np.ndarray, np.ndarray]:
    """Both variants are calibrated at first; from row 10 000 on the champion's scores say the opposite of the truth."""
    rng = np.random.RandomState(9)
    p = rng.random_sample(N)
    labels = (rng.random_sample(N) < p).astype(np.float64)
    broken = p.copy()
    broken[10_000:] = 1.0 - p[10_000:]
    return np.column_stack([broken, p]), labels


@pytest.mark.parametrize("step", [20_000, 100])
def test_alarm_positions_of_a_model_that_breaks(step: int) -> None:
    signals = _run(True, *_world(), step)
    assert [(s.variant.name, s.detector, s.feature, s.rows_seen) for s in signals] == [
        ("champion", "ddm", "error", 10_243),
        ("champion", "adwin", "loss:log_loss", 10_272),
    ]
    assert signals[0].value > signals[0].reference
    assert signals[1].value > signals[1].reference


def test_rows_that_a_variant_did_not_score_do_not_count() -> None:
    scores, labels = _world()
    scores[::2, 0] = np.nan
    assert [(s.detector, s.rows_seen < 5_500) for s in _run(True, scores, labels, 1000)] == [
        ("ddm", True),
        ("adwin", True),
    ]


def test_regression_watches_the_absolute_error() -> None:
    rng = np.random.RandomState(2)
    labels = rng.normal(0, 1, N)
    scores = labels[:, None] + rng.normal(0, 1, (N, 2)) * np.where(np.arange(N) < 12_000, 1.0, 1.6)[:, None]
    signals = _run(False, scores, labels, 512)
    assert {(s.detector, s.feature) for s in signals} == {("adwin", "loss:absolute_error")}
    assert all(12_000 < s.rows_seen < 13_500 for s in signals)
