import math

import numpy as np
import pytest

from streamapp.act.contest import Contest
from streamapp.act.rewards import Rewards


def of(values: np.ndarray) -> Rewards:
    return Rewards(float(len(values)), float(values.sum()), float((values**2).sum()))


def test_a_look_adds_the_values_that_are_defined():
    random = np.random.default_rng(1)
    ours, theirs = random.random(30), random.random(70)
    before = Contest(0.5, 2.0, Rewards(10, 4, 3), Rewards(10, 6, 5))
    found = before.grown(before.candidate + of(ours), before.champion + of(theirs))
    values = np.concatenate([0.7 * (ours - 0.5), -0.3 * (theirs - 0.5)])
    assert found.lead == pytest.approx(0.5 + values.sum())
    assert found.spread == pytest.approx(2.0 + (values**2).sum())


def test_what_the_level_does_between_looks_favours_nobody():
    """At 5 % the candidate has most keys, at 15 % few: by their totals it would be far behind."""
    contest = Contest()
    for share, level in ((0.9, 0.05), (0.1, 0.15)) * 5:
        sides = [Rewards(n, n * level, n * level) for n in (1_000 * share, 1_000 * (1 - share))]
        contest = contest.grown(contest.candidate + sides[0], contest.champion + sides[1])
    assert contest.champion.mean - contest.candidate.mean > 0.07
    assert contest.lead == pytest.approx(0, abs=1e-6)
    assert max(contest.log_odds) < 0


def test_odds_grow_with_what_is_seen_of_a_difference():
    contest, odds = Contest(), []
    for _ in range(4):
        contest = contest.grown(contest.candidate + Rewards(500, 300, 300), contest.champion + Rewards(500, 200, 200))
        odds.append(contest.log_odds)
    assert [better for better, _ in odds] == sorted(better for better, _ in odds)
    assert odds[-1][0] > math.log(1_000)
    assert odds[-1][1] < 0


def test_a_look_without_news_of_both_waits_for_them():
    contest = Contest(1.0, 2.0, Rewards(10, 4, 4), Rewards(10, 6, 6))
    assert contest.grown(contest.candidate, contest.champion) == contest
    assert contest.grown(contest.candidate + Rewards(5, 1, 1), contest.champion) == contest


@pytest.mark.parametrize("lost", [Rewards(5, 2, 2), Rewards(0, 3, 3)])
def test_labels_that_are_gone_take_nothing_back_and_are_not_counted_again(lost):
    contest = Contest(1.0, 2.0, Rewards(10, 4, 4), Rewards(10, 6, 6))
    less = contest.grown(contest.candidate - lost, contest.champion)
    assert less == Contest(1.0, 2.0, contest.candidate - lost, contest.champion)


def test_looking_at_every_batch_rarely_finds_what_is_not_there():
    random, alarms = np.random.default_rng(3), 0
    for _ in range(200):
        contest, share = Contest(), 0.5
        for _ in range(40):
            ours, theirs = random.random(round(100 * share)) < 0.1, random.random(round(100 - 100 * share)) < 0.1
            contest = contest.grown(contest.candidate + of(ours), contest.champion + of(theirs))
            share = 0.9 if contest.lead > 0 else 0.1
            if max(contest.log_odds) > math.log(1 / 0.05):
                alarms += 1
                break
    # Both sides at 0.05 each.
    assert alarms <= 20
