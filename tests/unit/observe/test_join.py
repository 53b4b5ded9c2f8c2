import numpy as np

from streamapp.observe.join import Joined, OutcomeJoin
from streamapp.types import Failure, OutcomeBatch

HOUR_MS = 3_600_000


def _predict(join: OutcomeJoin, ids: list[str], times: list[int]) -> Joined:
    k = len(ids)
    scores = np.column_stack([np.linspace(0.1, 0.9, k), np.full(k, np.nan)])
    return join.predicted(ids, np.array(times, np.int64), np.zeros(k, np.int16), scores)


def _outcomes(ids: list[str], times: list[int], failures: dict[int, Failure] | None = None) -> OutcomeBatch:
    return OutcomeBatch(ids, np.ones(len(ids)), np.array(times, np.int64), failures or {})


def test_prediction_first() -> None:
    join = OutcomeJoin(2, HOUR_MS, 100)
    assert len(_predict(join, ["a", "b"], [0, 1000])) == 0
    joined = join.came_true(_outcomes(["b", "x"], [2000, 2000]))
    assert (joined.ids, joined.times_ms.tolist(), joined.labels.tolist()) == (["b"], [1000], [1.0])
    assert joined.answers.tolist() == [0]
    np.testing.assert_array_equal(joined.scores, [[0.9, np.nan]])
    assert (join.pending_predictions, join.pending_outcomes) == (1, 1)


def test_outcome_first() -> None:
    join = OutcomeJoin(2, HOUR_MS, 100)
    join.came_true(_outcomes(["b"], [2000]))
    joined = _predict(join, ["a", "b"], [0, 1000])
    assert (joined.ids, joined.times_ms.tolist(), joined.labels.tolist()) == (["b"], [1000], [1.0])
    assert (join.pending_predictions, join.pending_outcomes) == (1, 0)


def test_too_far_apart_is_no_pair() -> None:
    join = OutcomeJoin(2, HOUR_MS, 100)
    _predict(join, ["a"], [0])
    assert len(join.came_true(_outcomes(["a"], [HOUR_MS + 1]))) == 0
    assert (join.counts.expired, join.counts.unmatched, join.counts.joined) == (1, 1, 0)


def test_predictions_wait_until_outcomes_have_passed_the_window() -> None:
    join = OutcomeJoin(2, HOUR_MS, 100)
    _predict(join, ["a", "b"], [0, HOUR_MS])
    _predict(join, ["c"], [2 * HOUR_MS])
    assert join.pending_predictions == 3
    join.came_true(_outcomes(["x"], [HOUR_MS + 60_000]))
    assert (join.pending_predictions, join.counts.expired) == (2, 1)


def test_without_outcomes_predictions_wait_two_windows() -> None:
    join = OutcomeJoin(2, HOUR_MS, 100)
    _predict(join, ["a"], [0])
    _predict(join, ["b"], [2 * HOUR_MS])
    assert join.counts.expired == 0
    _predict(join, ["c"], [2 * HOUR_MS + 60_000])
    assert join.counts.expired == 1


def test_failed_outcomes_are_left_out() -> None:
    join = OutcomeJoin(2, HOUR_MS, 100)
    _predict(join, ["a", "b"], [0, 0])
    broken = Failure("decode", "schema", "no label")
    assert join.came_true(_outcomes(["a", "b"], [1, 1], {0: broken})).ids == ["b"]


def test_evicted_and_duplicate_rows_are_counted() -> None:
    join = OutcomeJoin(2, HOUR_MS, 2)
    _predict(join, ["a", "b"], [0, 1])
    _predict(join, ["b"], [2])
    _predict(join, ["c"], [3])
    assert (join.counts.duplicates, join.pending_predictions) == (1, 2)
    assert join.counts.evicted >= 1
