import pytest

from streamapp.act.analysis import Result
from streamapp.act.bandit import judge, probability_better
from streamapp.act.contest import Contest
from streamapp.act.rewards import Rewards
from streamapp.act.steps import Explore

STEP = Explore(1, 9, least=5, confidence=0.99, labels=2)


def counted(*values: float) -> Rewards:
    return Rewards(len(values), sum(values), sum(v * v for v in values))


def many(count: int, mean: float) -> Rewards:
    """0 and 1."""
    return Rewards(count, count * mean, count * mean)


def test_two_coins_have_about_the_exact_probability():
    # P(Beta(301, 201) > Beta(271, 231)) = 0.9725, by summing the closed form of Cook (2005).
    assert probability_better(many(500, 0.6), many(500, 0.54), 7) == pytest.approx(0.972, abs=0.01)


def test_sides_may_be_exchanged():
    a, b = counted(0.75, 1.0, 0.9, 1.0), counted(0.5, 0.9, 0.9, 1.0)
    assert probability_better(a, b, 1) + probability_better(b, a, 2) == pytest.approx(1, abs=0.02)
    assert probability_better(a, b, 1) > 0.7


def test_both_have_the_same_model_whatever_their_values():
    """Rewards that happen to be 0 and 1 on one side only are no reason to believe one more than the other."""
    assert probability_better(counted(0, 1, 1, 0), counted(0, 0.999, 1, 0.001), 1) == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
@pytest.mark.parametrize(("ours", "theirs"), [(2, 2), (2, 1_000), (1_000, 100)])
def test_rewards_that_are_all_alike_say_nothing(value, ours, theirs):
    sides = counted(*[value] * ours), counted(*[value] * theirs)
    assert probability_better(*sides, 1) == pytest.approx(0.5, abs=0.02)
    found = judge(STEP, 50.0, Contest(), sides, 1)
    assert found.result is None
    assert found.weight == pytest.approx(50, abs=2)


def test_the_same_seed_gives_the_same_answer():
    a, b = counted(1, 0, 1), counted(0, 0, 1)
    assert probability_better(a, b, 3) == probability_better(a, b, 3)


def test_two_labels_decide_nothing():
    found = judge(STEP, 50.0, Contest(), (counted(1, 1), counted(0, 0)), 1)
    assert found.result is None


def test_the_weight_stays_until_there_are_labels_enough():
    step = Explore(1, 9, least=5, labels=100)
    for rewards in ((Rewards(), Rewards()), (many(99, 1.0), many(1_000, 0.0))):
        found = judge(step, 20.0, Contest(), rewards, 1)
        assert (found.weight, found.result) == (20.0, None)
        assert "nothing is decided on fewer than 100 each" in found.reason
    assert judge(step, 0.0, Contest(), (Rewards(), Rewards()), 1).weight == 5


@pytest.mark.parametrize(("ours", "theirs", "result"), [(0.6, 0.5, Result.SUCCESSFUL), (0.5, 0.6, Result.FAILED)])
def test_what_is_clear_is_decided_with_its_numbers(ours, theirs, result):
    found = judge(STEP, 50.0, Contest(), (many(2_000, ours), many(2_000, theirs)), 1)
    assert found.result is result
    assert found.weight == (95 if result is Result.SUCCESSFUL else 5)
    assert f"100 to 1 decides (mean label {ours:g} of 2,000, champion {theirs:g} of 2,000)" in found.reason


def test_labels_that_are_no_rewards_of_the_range_wait_for_a_person():
    rewards = Rewards(500, 900.0, 4_000.0), many(500, 0.5)
    found = judge(STEP, 50.0, Contest(), rewards, 1)
    assert (found.result, found.weight) == (Result.INCONCLUSIVE, 50.0)
    assert found.reason == "labels are outside of 0 to 1: start it with their minReward and maxReward"
    wide = Explore(1, 9, labels=2, low=-10.0, high=10.0)
    assert judge(wide, 50.0, Contest(), rewards, 1).result is not Result.INCONCLUSIVE


def test_the_range_changes_nothing_but_the_unit():
    found = [
        judge(Explore(1, 9, labels=2, low=low, high=low + 10), 50.0, Contest(), sides, 1)
        for low, sides in (
            (0.0, (counted(1, 9, 4), counted(2, 3, 1))),
            (-5.0, (counted(-4, 4, -1), counted(-3, -2, -4))),
        )
    ]
    assert found[0].best == pytest.approx(found[1].best)
    assert found[0].contest.lead == pytest.approx(found[1].contest.lead)
