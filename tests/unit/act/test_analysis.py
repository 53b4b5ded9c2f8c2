import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamapp.act.analysis import Analysis, Result, Tally
from streamapp.act.condition import Condition, parse_condition


def condition(text: str) -> Condition:
    return parse_condition(text, ["rate"])


LOW, HIGH = condition("rate < 1"), condition("rate > 5")


@pytest.mark.parametrize(
    ("success", "failure", "rate", "expected"),
    [
        (LOW, None, 0.0, Result.SUCCESSFUL),
        (LOW, None, 3.0, Result.FAILED),
        (LOW, None, math.nan, Result.INCONCLUSIVE),
        (None, HIGH, 3.0, Result.SUCCESSFUL),
        (None, HIGH, 9.0, Result.FAILED),
        (None, HIGH, math.nan, Result.INCONCLUSIVE),
        (LOW, HIGH, 0.0, Result.SUCCESSFUL),
        (LOW, HIGH, 3.0, Result.INCONCLUSIVE),
        (LOW, HIGH, 9.0, Result.FAILED),
        (LOW, HIGH, math.nan, Result.INCONCLUSIVE),
        (condition("rate > 0"), HIGH, 9.0, Result.FAILED),
    ],
)
def test_a_measurement_is_what_argo_says(
    success: Condition | None, failure: Condition | None, rate: float, expected: Result
) -> None:
    assert Analysis(1.0, 1, success, failure).measure({"rate": rate}).result is expected


def test_the_reason_names_the_condition_that_decided_and_its_numbers() -> None:
    analysis = Analysis(1.0, 1, LOW, HIGH)
    reasons = [analysis.measure({"rate": rate}).reason for rate in (0.5, 3.0, 9.0)]
    assert reasons == [
        "successCondition met: rate < 1 (rate = 0.5); failureCondition not met: rate > 5 (rate = 0.5)",
        "successCondition not met: rate < 1 (rate = 3)",
        "failureCondition met: rate > 5 (rate = 9)",
    ]
    assert analysis.measure({}).reason == "failureCondition undecided: rate > 5 (rate = unknown)"


def verdicts(analysis: Analysis, results: list[Result]) -> list[Result | None]:
    tally, found = Tally(), []
    for result in results:
        tally = tally.with_one(result)
        found.append(tally.verdict(analysis))
    return found


def test_limits_are_what_is_tolerated() -> None:
    good, bad, open_ = Result.SUCCESSFUL, Result.FAILED, Result.INCONCLUSIVE
    strict = Analysis(1.0, 3, LOW, None)
    assert verdicts(strict, [good, good, good]) == [None, None, good]
    assert verdicts(strict, [bad]) == [bad]
    assert verdicts(strict, [open_]) == [open_]
    patient = Analysis(1.0, 4, LOW, None, failure_limit=1, inconclusive_limit=1)
    assert verdicts(patient, [bad, open_, good, good]) == [None, None, None, good]
    assert verdicts(patient, [bad, good, bad]) == [None, None, bad]
    assert verdicts(patient, [open_, good, open_]) == [None, None, open_]


@given(st.lists(st.sampled_from(Result), max_size=30), st.integers(1, 20), st.integers(0, 5), st.integers(0, 5))
def test_an_analysis_ends_by_its_count_at_the_latest(
    results: list[Result], count: int, failed: int, open_: int
) -> None:
    found = verdicts(Analysis(1.0, count, LOW, None, failed, open_), results)
    assert len(results) < count or found[count - 1] is not None
