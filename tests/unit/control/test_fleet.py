"""Workers' reports as a leader sees them."""

import pytest

from streamapp.act.commands import Declare
from streamapp.act.report import Failed, Report
from streamapp.act.steps import Wait
from streamapp.control.fleet import Fleet
from streamapp.types import Tenant
from tests.act_log import CANARY, MemoryLog


@pytest.fixture
def log() -> MemoryLog:
    """A rollout to version 2 that began at revision 2."""
    log = MemoryLog()
    assert log.write(Declare, expects=0, variants=CANARY) is None
    log.start(Wait())
    return log


def said(log: MemoryLog, tenant: Tenant, read: int | None = 2, variant: str = "champion-canary") -> str:
    fleet = Fleet(1.0)
    fleet.take(Report(worker="w1", revision=1, read=read, failed=(Failed(variant, tenant, "it broke"),)), 0)
    return fleet.failed(log.state, log.state.rollouts["scorer"])


@pytest.mark.parametrize("read", [2, 9, None])
def test_a_worker_that_cannot_serve_the_candidate_is_named(log, read):
    assert said(log, Tenant("champion", "2"), read) == "worker w1 cannot serve version 2: it broke"


def test_what_was_said_of_an_earlier_rollout_does_not_count(log):
    assert said(log, Tenant("champion", "2"), read=1) == ""


@pytest.mark.parametrize(
    ("tenant", "variant"),
    [
        (Tenant("champion", "3"), "champion-canary"),
        (Tenant("champion", "2"), "champion"),
        (Tenant("gone", "2"), "champion-canary"),
        (Tenant("gone"), "champion-canary"),
    ],
)
def test_what_is_not_the_candidate_does_not_count(log, tenant, variant):
    assert said(log, tenant, variant=variant) == ""


@pytest.mark.parametrize(("read", "loading"), [(None, False), (1, False), (2, True)])
def test_who_has_not_read_or_loaded_it_is_waited_for(read, loading):
    fleet = Fleet(1.0)
    fleet.take(Report(worker="w1", revision=1, read=read, loading=loading), 0)
    assert fleet.waiting(2) == ("w1",)


def test_who_lacks_something_else_is_not(log):
    fleet = Fleet(1.0)
    failed = (Failed("other", Tenant("other", "9"), "it is gone"),)
    fleet.take(Report(worker="w1", revision=1, read=2, loading=False, failed=failed), 0)
    assert (fleet.waiting(2), fleet.failed(log.state, log.state.rollouts["scorer"])) == ((), "")


def test_who_is_silent_or_has_left_is_not_waited_for(log):
    fleet = Fleet(1.0)
    fleet.take(Report(worker="silent", revision=1), 0)
    fleet.take(Report(worker="slow", revision=1), 4_000)
    fleet.take(Report(worker="gone", revision=1, leaving=True), 6_000)
    assert fleet.waiting(2) == ("slow",)


def test_a_clock_that_is_set_back_takes_nobody_for_dead(log):
    fleet = Fleet(1.0)
    fleet.take(Report(worker="ahead and gone", revision=1), 3_600_000)
    for at_ms in (30_000, 0, 1_000):
        for worker in ("w1", "w2"):
            fleet.take(Report(worker=worker, revision=1), at_ms)
    assert fleet.waiting(2) == ("w1", "w2")
