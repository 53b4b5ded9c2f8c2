import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamapp.experiment.bounded import Arm, bounded_interval, excludes, log_capital
from streamapp.experiment.moments import Moments


def coins(n: int, heads: int) -> Moments:
    return Moments(n, heads / n, heads * (1 - heads / n)) if n else Moments()


COINS = st.integers(1, 100_000).flatmap(lambda n: st.integers(0, n).map(lambda heads: coins(n, heads)))
BETS = [0.58 * 2 ** (-k / 2) for k in range(22)]


def capital(a: Moments, b: Moments, level: float, difference: float) -> float:
    """The bets on "more than `difference`" against known means, written out plainly: equal weights."""
    found = 0.0
    for bet in BETS:
        price = -math.log(1 - bet) - bet
        log = bet * b.n * (b.mean - level - difference) - bet * a.n * (a.mean - level)
        log -= price * (b.yy + b.n * (b.mean - level - difference) ** 2)
        log -= price * (a.yy + a.n * (a.mean - level) ** 2)
        found += math.exp(log) / len(BETS)
    return found


@settings(max_examples=50, deadline=None)
@given(COINS, COINS, st.sampled_from([0.05, 0.01]))
def test_swapping_the_sides_turns_the_interval_round(a: Moments, b: Moments, alpha: float) -> None:
    there, back = bounded_interval(a, b, alpha, (0.2, 0.8)), bounded_interval(b, a, alpha, (0.8, 0.2)).swapped()
    assert (there.lower, there.upper) == pytest.approx((back.lower, back.upper), abs=1e-12)
    assert -1 <= there.lower <= there.estimate <= there.upper <= 1


@settings(max_examples=50, deadline=None)
@given(COINS, COINS)
def test_ends_are_where_the_test_changes_its_mind(a: Moments, b: Moments) -> None:
    found = bounded_interval(a, b, 0.05)
    for end, sign, control, treatment in ((found.lower, 1, a, b), (found.upper, -1, b, a)):
        if abs(end) < 1 - 1e-6:
            tried = sign * np.array([end - sign * 1e-7, end + sign * 1e-7])
            capital_of = log_capital(tried, Arm.of(control), Arm.of(treatment), 0.025, (0.5, 0.5))
            assert (capital_of >= -math.log(0.9 * 0.025)).tolist() == [True, False]
            assert excludes(np.array([end - sign * 1e-7]), Arm.of(a), Arm.of(b), 0.05).all()


def test_golden_ends_from_the_bets_written_out() -> None:
    a, b = coins(5_000, 500), coins(5_000, 600)
    found = bounded_interval(a, b, 0.05)
    # With equal counts the level cancels but for the price; at the level of the data the bet is worth just too little.
    assert capital(a, b, a.mean, found.lower) == pytest.approx(1 / 0.0225, rel=0.25)
    assert capital(a, b, a.mean, found.lower) >= 1 / 0.0225
    assert (found.lower, found.upper) == pytest.approx((-0.0025, 0.0425), abs=0.0025)


@pytest.mark.parametrize(("p", "q"), [(0.1, 0.1), (0.5, 0.4), (0.02, 0.03)])
def test_it_narrows_with_the_units(p: float, q: float) -> None:
    widths = [
        bounded_interval(coins(n, round(p * n)), coins(n, round(q * n)), 0.05).width
        for n in (100, 1_000, 10_000, 100_000, 1_000_000)
    ]
    assert widths == sorted(widths, reverse=True)
    assert widths[-1] < 4 * 2 * math.sqrt((p * (1 - p) + q * (1 - q)) / 1e6)


def test_a_smaller_alpha_is_wider_and_no_unit_says_nothing() -> None:
    a, b = coins(1_000, 100), coins(1_000, 120)
    assert bounded_interval(a, b, 0.01).width > bounded_interval(a, b, 0.05).width
    assert bounded_interval(a, Moments(), 0.05).width == 2


def test_wrong_weights_cost_width_only() -> None:
    a, b = coins(9_000, 900), coins(1_000, 100)
    assert bounded_interval(a, b, 0.05, (0.9, 0.1)).width < bounded_interval(a, b, 0.05).width
    assert 0.0 in bounded_interval(a, b, 0.05)


def test_peeking_after_every_batch_keeps_alpha() -> None:
    rng, runs = np.random.default_rng(3), 1_000
    n, a, b, ever = np.zeros(runs), np.zeros(runs), np.zeros(runs), np.zeros(runs, bool)
    for _ in range(50):
        n, a, b = n + 50, a + rng.binomial(50, 0.2, runs), b + rng.binomial(50, 0.2, runs)
        ever |= excludes(np.zeros(runs), Arm(n, a, a), Arm(n, b, b), 0.05)
    assert ever.mean() <= 0.05


def test_a_real_difference_is_found() -> None:
    assert bounded_interval(coins(20_000, 2_000), coins(20_000, 2_400), 0.05).lower > 0
