import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamapp.errors import ConfigError
from streamapp.experiment.guardrail import Better, Verdict, judge
from streamapp.experiment.interval import Interval

ENDS = st.tuples(st.floats(-10, 10), st.floats(-10, 10)).map(sorted)


@pytest.mark.parametrize(
    ("lower", "upper", "verdict"),
    [(-0.9, 3, Verdict.HOLDS), (-3, -1.1, Verdict.VIOLATED), (-1.1, 3, Verdict.UNDECIDED)],
)
def test_the_margin_decides(lower: float, upper: float, verdict: Verdict) -> None:
    interval = Interval((lower + upper) / 2, lower, upper, exact=True)
    assert judge(interval, 1.0) is verdict
    assert judge(interval.swapped(), 1.0, Better.LOWER) is verdict


@given(ENDS, st.floats(0, 5), st.floats(0, 5))
def test_a_wider_margin_is_never_worse(ends: list[float], margin: float, more: float) -> None:
    order = [Verdict.VIOLATED, Verdict.UNDECIDED, Verdict.HOLDS]
    interval = Interval(ends[0], *ends, exact=True)
    assert order.index(judge(interval, margin + more)) >= order.index(judge(interval, margin))


def test_a_negative_margin_is_refused() -> None:
    with pytest.raises(ConfigError, match="margin"):
        judge(Interval(0, -1, 1, exact=True), -0.1)
