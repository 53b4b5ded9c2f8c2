"""The watchdog's arithmetic: what ages, what does not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamapp.kafka.ledger import Partition
from streamapp.kafka.watchdog import EXCUSED_S, MOST_BETWEEN_S, Reading, Watchdog, Work

ONE = Work("answer", Partition("events", 0))
TWO = Work("commit", Partition("events", 1))


def ages(dog: Watchdog, readings: list[tuple[float, Reading]]) -> dict[Work, float]:
    """What the last of these looks says."""
    seen = [dog.look(reading, now_s) for now_s, reading in readings][-1]
    return {stall.work: pytest.approx(stall.age_s) for stall in seen.stalls}


def working(**work: int) -> Reading:
    return Reading("working", {name: at for name, at in ((ONE, work.get("one")), (TWO, work.get("two"))) if at})


def test_work_ages_while_it_stands_and_the_oldest_comes_first() -> None:
    dog = Watchdog()
    dog.look(working(two=7), 100.0)
    dog.look(working(two=7, one=5), 103.0)
    seen = dog.look(working(two=7, one=5), 104.0)
    assert [(stall.work, stall.at, stall.age_s) for stall in seen.stalls] == [(TWO, 7, 4.0), (ONE, 5, 1.0)]
    assert not seen.waiting


def test_progress_or_nothing_to_do_starts_anew() -> None:
    assert ages(Watchdog(), [(0, working(one=5)), (3, working(one=6)), (4, working(one=6))]) == {ONE: 1.0}
    assert ages(Watchdog(), [(0, working(one=5)), (3, working()), (4, working(one=5))]) == {ONE: 0.0}


def test_one_partition_moving_does_not_hide_another() -> None:
    looks = [(float(t), working(one=5, two=t + 1)) for t in range(10)]
    assert ages(Watchdog(), looks) == {ONE: 9.0, TWO: 0.0}


def test_a_repeated_try_excuses_for_a_while() -> None:
    dog = Watchdog()
    stuck = {ONE: 5}
    for now_s in range(300):
        seen = dog.look(Reading("working", stuck, retries=1 + now_s // 8), float(now_s))
        assert seen.waiting
        assert seen.stalls[0].age_s == 0.0
    for now_s in range(300, 400):
        seen = dog.look(Reading("working", stuck, retries=38), float(now_s))
    assert not seen.waiting
    assert seen.stalls[0].age_s == pytest.approx(99 - EXCUSED_S, abs=8)


def test_nothing_ages_without_the_broker_or_outside_of_work() -> None:
    away = Reading("working", {ONE: 5}, broker_answers=False)
    assert ages(Watchdog(), [(t, away) for t in range(500)]) == {ONE: 0.0}
    for phase in ("assigning", "rebalancing", "draining"):
        assert ages(Watchdog(), [(t, Reading(phase, {ONE: 5})) for t in range(500)]) == {ONE: 0.0}


def test_time_in_which_the_process_did_not_run_does_not_count() -> None:
    assert ages(Watchdog(), [(0, working(one=5)), (1, working(one=5)), (3601, working(one=5))]) == {
        ONE: 1 + MOST_BETWEEN_S
    }


@given(st.lists(st.tuples(st.floats(0.1, MOST_BETWEEN_S), st.integers(1, 3), st.booleans()), min_size=1, max_size=60))
def test_the_age_is_the_time_since_the_last_change(steps: list[tuple[float, int, bool]]) -> None:
    dog = Watchdog()
    now_s, since_s, last = 0.0, 0.0, None
    for step_s, at, present in steps:
        now_s += step_s
        mark = at if present else None
        if mark != last or mark is None:
            since_s, last = now_s, mark
        seen = dog.look(working(one=at) if present else working(), now_s)
        assert [stall.age_s for stall in seen.stalls] == ([pytest.approx(now_s - since_s)] if present else [])
