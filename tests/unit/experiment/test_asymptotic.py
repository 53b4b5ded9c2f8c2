import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamapp.errors import ConfigError
from streamapp.experiment.asymptotic import asymptotic_interval
from streamapp.experiment.moments import Moments

SIDES = st.builds(
    lambda n, mean, variance: Moments(n, mean, variance * n),
    st.integers(500, 1_000_000),
    st.floats(-100, 100),
    st.floats(0.01, 100),
)


def test_golden_from_the_formula_by_hand() -> None:
    """t = 10 000, alpha 0.05, s² = 2 and 3: sigma² = t (2/5000 + 3/5000) = 10, rho² = (5.99146 + log 6.99146) / t."""
    a, b = Moments(5_000, 1.0, 2.0 * 4_999), Moments(5_000, 1.5, 3.0 * 4_999)
    found = asymptotic_interval(a, b, 0.05)
    assert found.estimate == 0.5
    t, rho2 = 10_000, (5.991464547 + 1.944689) / 10_000
    half = math.sqrt(10) * math.sqrt(2 * (t * rho2 + 1) / (t * t * rho2) * math.log(math.sqrt(t * rho2 + 1) / 0.05))
    assert found.upper - found.estimate == pytest.approx(half, rel=1e-6)
    assert half == pytest.approx(0.0959, abs=1e-4)


@given(SIDES, SIDES)
def test_swapping_the_sides_turns_the_interval_round(a: Moments, b: Moments) -> None:
    there, back = asymptotic_interval(a, b, 0.05), asymptotic_interval(b, a, 0.05).swapped()
    assert (there.lower, there.upper) == pytest.approx((back.lower, back.upper))


@given(SIDES, SIDES, st.floats(-50, 50))
def test_a_shift_of_both_changes_nothing_and_of_one_shifts(a: Moments, b: Moments, shift: float) -> None:
    moved = [Moments(m.n, m.mean + shift, m.yy) for m in (a, b)]
    there, both, one = (asymptotic_interval(*sides, 0.05) for sides in ((a, b), moved, (a, moved[1])))
    assert (both.lower, both.upper) == pytest.approx((there.lower, there.upper), abs=1e-9)
    assert (one.lower, one.upper) == pytest.approx((there.lower + shift, there.upper + shift), abs=1e-9)


@given(SIDES, SIDES)
def test_the_same_evidence_twice_is_narrower(a: Moments, b: Moments) -> None:
    assert asymptotic_interval(a.merge(a), b.merge(b), 0.05).width < asymptotic_interval(a, b, 0.05).width


def test_nothing_is_said_before_the_burn_in() -> None:
    few, many = Moments(499, 1.0, 100.0), Moments(10_000, 2.0, 100.0)
    assert asymptotic_interval(few, many, 0.05).width == math.inf
    assert asymptotic_interval(few, many, 0.05, burn_in=499).width < math.inf
    with pytest.raises(ConfigError, match="burn_in"):
        asymptotic_interval(few, many, 0.05, burn_in=1)
