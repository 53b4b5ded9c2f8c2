import numpy as np
import pytest

from streamapp.enrich.freshness import Found, ViewContract, judge
from streamapp.types import Freshness

NAN = float("nan")
NOW = 1_700_000_000_000
ROWS = [
    # (what, values, age in seconds, found)
    ("fresh", [1, 2], 10, Found.ROW),
    ("old", [3, 4], 100, Found.ROW),
    ("gap", [5, NAN], 10, Found.ROW),
    ("unknown", [9, 9], 0, Found.NO_ROW),
    ("nameless", [9, 9], 0, Found.NO_ENTITY),
    ("down", [9, 9], 0, Found.UNAVAILABLE),
    ("ahead", [6, 7], -5, Found.ROW),
]


def judged(policy, max_age_s=60.0, defaults=(70, NAN)):
    contract = ViewContract("wx", ("a", "b"), ("origin",), max_age_s, policy, np.array(defaults, np.float32))
    values = np.array([v for _, v, _, _ in ROWS], np.float32)
    event_times_ms = np.array([NOW - age * 1000 for _, _, age, _ in ROWS])
    found = np.array([f for _, _, _, f in ROWS], np.uint8)
    return values, judge(contract, values, event_times_ms, found, np.array([NOW]))


def test_serve():
    values, judgement = judged("serve")
    expected = [[1, 2], [3, 4], [5, NAN], [NAN, NAN], [NAN, NAN], [70, NAN], [6, 7]]
    np.testing.assert_array_equal(values, np.array(expected, np.float32))
    assert judgement.freshness.tolist() == [0, 1, 0, 1, 1, 3, 0]
    np.testing.assert_array_equal(judgement.ages_s, np.array([10, 100, 10, NAN, NAN, NAN, -5], np.float32))
    assert judgement.rejected == {}


def test_default():
    values, judgement = judged("default")
    expected = [[1, 2], [70, NAN], [5, NAN], [70, NAN], [70, NAN], [70, NAN], [6, 7]]
    np.testing.assert_array_equal(values, np.array(expected, np.float32))
    d = Freshness.DEFAULTED
    assert judgement.freshness.tolist() == [0, d, d, d, d, Freshness.UNAVAILABLE_DEFAULTED, 0]


def test_reject():
    _, judgement = judged("reject")
    failures = judgement.rejected
    assert {ROWS[row][0]: (f.code, f.field, f.rule, f.value) for row, f in failures.items()} == {
        "old": ("feature_stale", "wx", "max_age_s=60", "100.000"),
        "gap": ("feature_missing", "wx:b", "value", ""),
        "unknown": ("feature_missing", "wx", "row", ""),
        "nameless": ("entity_missing", "origin", "entity of wx", ""),
    }
    assert {failure.stage for failure in failures.values()} == {"enrich"}
    assert failures[1].message == "feature view wx is 100.0 s old, 60 s allowed"


@pytest.mark.parametrize("policy", ["serve", "default", "reject"])
def test_without_a_limit_nothing_is_stale(policy):
    values, judgement = judged(policy, max_age_s=None)
    assert values[1].tolist() == [3, 4]
    assert judgement.freshness[1] == Freshness.FRESH
    assert 1 not in judgement.rejected


def test_exactly_the_limit_is_fresh():
    _, judgement = judged("reject", max_age_s=100.0)
    assert 1 not in judgement.rejected
