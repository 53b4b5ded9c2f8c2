import pytest

from streamapp.act.bandit import Rewards, probability_better


def counted(*values: float) -> Rewards:
    return Rewards(len(values), sum(values), sum(v * v for v in values))


def test_two_coins_have_the_exact_probability():
    # P(Beta(3, 2) > Beta(2, 3)) = 0.7571..., by summing the closed form of Cook (2005).
    assert probability_better(counted(1, 1, 0), counted(1, 0, 0), 7) == pytest.approx(0.757, abs=0.01)


def test_sides_may_be_exchanged():
    a, b = counted(1.5, 2.5, 2.0, 3.0), counted(1.0, 2.0, 2.0, 2.5)
    assert probability_better(a, b, 1) + probability_better(b, a, 2) == pytest.approx(1, abs=0.02)
    assert probability_better(a, b, 1) > 0.7


def test_nothing_is_known_from_one_reward():
    assert probability_better(counted(5), counted(1, 1, 1), 1) == 0.5


def test_the_same_seed_gives_the_same_answer():
    a, b = counted(1, 0, 1), counted(0, 0, 1)
    assert probability_better(a, b, 3) == probability_better(a, b, 3)
