import math

import numpy as np
import pytest

from streamapp.observe.quality import classification, regression, reliability

SCORES = np.array([0.1, 0.4, 0.35, 0.8])
LABELS = np.array([0.0, 0.0, 1.0, 1.0])


def test_classification_by_hand() -> None:
    found = classification(SCORES, LABELS)
    assert found["rows"] == 4
    assert found["base_rate"] == 0.5
    assert found["auc"] == 0.75
    assert found["brier"] == pytest.approx((0.01 + 0.16 + 0.4225 + 0.04) / 4)
    assert found["log_loss"] == pytest.approx(-sum(map(math.log, (0.9, 0.6, 0.35, 0.8))) / 4)
    assert found["calibration_error"] == pytest.approx((0.1 + 0.4 + 0.65 + 0.2) / 4)


def test_certain_and_wrong_costs_a_finite_log_loss() -> None:
    assert classification(np.array([0.0]), np.array([1.0]))["log_loss"] == pytest.approx(-math.log(1e-15))


def test_one_class_has_no_auc() -> None:
    assert math.isnan(classification(SCORES, np.ones(4))["auc"])


def test_nothing_joined_yet() -> None:
    nothing = np.empty(0)
    assert classification(nothing, nothing) == regression(nothing, nothing) == {"rows": 0.0}


def test_reliability_bins() -> None:
    table = reliability(np.array([0.0, 0.05, 0.95, 1.0]), np.array([0.0, 1.0, 1.0, 1.0]))
    assert table.rows.tolist() == [2, 0, 0, 0, 0, 0, 0, 0, 0, 2]
    assert table.positives[[0, 9]].tolist() == [0.5, 1.0]
    assert table.mean_score[[0, 9]].tolist() == [0.025, 0.975]
    assert np.isnan(table.positives[1:9]).all()


def test_regression_by_hand() -> None:
    found = regression(np.array([1.0, 2.0, 6.0]), np.array([2.0, 2.0, 2.0]))
    assert found == {"rows": 3.0, "mae": pytest.approx(5 / 3), "rmse": pytest.approx(math.sqrt(17 / 3)), "bias": 1.0}
