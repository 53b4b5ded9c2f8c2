"""A worker's health as the probes tell it."""

import pytest

from streamapp.kafka.ledger import Partition
from streamapp.kafka.watch import Health
from streamapp.kafka.watchdog import Stall, Work
from streamapp.service import LOOP_ANSWERS_WITHIN_S, condition_of

STALL = Stall(Work("answer", Partition("flights", 3)), 812, 61.04)


def health(
    phase: str = "working",
    silent_s: float = 0.5,
    waiting: bool = False,
    stuck: tuple[Stall, ...] = (),
    over: bool = False,
) -> Health:
    return Health(phase, silent_s, waiting, stuck, over, 4)


def test_a_worker_through_which_records_flow_is_ready() -> None:
    found = condition_of(health())
    assert (found.alive, found.reason, found.partitions) == (True, "", 4)


@pytest.mark.parametrize("phase", ["starting", "assigning", "rebalancing", "draining"])
def test_another_phase_is_the_reason(phase: str) -> None:
    found = condition_of(health(phase))
    assert (found.alive, found.reason) == (True, phase)


def test_a_dependency_that_is_down_is_no_death() -> None:
    found = condition_of(health(waiting=True))
    assert (found.alive, found.reason) == (True, "waiting")


def test_stuck_is_alive_until_the_limit_and_says_where() -> None:
    found = condition_of(health(stuck=(STALL,)))
    assert (found.alive, found.reason) == (True, "stuck")
    assert found.stuck == [{"step": "answer", "topic": "flights", "partition": 3, "at": 812, "seconds": 61.0}]
    assert not condition_of(health(stuck=(STALL,), over=True)).alive


def test_a_loop_that_does_not_answer_is_not_alive_unless_the_worker_is_leaving() -> None:
    late_s = LOOP_ANSWERS_WITHIN_S + 1
    assert not condition_of(health(silent_s=late_s)).alive
    assert condition_of(health("draining", late_s)).alive
