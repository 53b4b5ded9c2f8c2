from dataclasses import replace

import pytest

from streamapp.act.commands import Abort, Advance, AnyCommand, Declare, Measured, Pause, Weighed
from streamapp.act.lead import Look, Pen, next_command
from streamapp.act.rewards import Rewards
from streamapp.act.steps import Analyse, Explore, SetWeight, Step, Wait
from tests.act_log import CANARY, MemoryLog

KNOWN = frozenset({"error_rate"})
NOTHING = Rewards(0, 0, 0)
SEEN = Look((), "", {"error_rate": 0.5}, (NOTHING, NOTHING))


@pytest.fixture
def log() -> MemoryLog:
    log = MemoryLog()
    assert log.write(Declare, expects=0, variants=CANARY) is None
    return log


def due(log: MemoryLog, look: Look = SEEN) -> AnyCommand | None:
    return next_command(log.state.rollouts["scorer"], look, Pen("x", "leader", log.now_ms), KNOWN)


def lead(log: MemoryLog, look: Look = SEEN) -> AnyCommand | None:
    """Write what is due."""
    command = due(log, look)
    if command is not None:
        assert log.send(command) is None
    return command


def test_it_waits_until_every_worker_has_loaded_the_candidate(log):
    log.start(SetWeight(10), Wait())
    assert due(log, replace(SEEN, waiting=("w1",))) is None
    assert isinstance(lead(log), Advance)
    assert log.state.rollouts["scorer"].weight == 10


def test_a_candidate_that_a_worker_cannot_load_is_taken_back(log):
    log.start(SetWeight(10), Wait())
    command = lead(log, replace(SEEN, failed="worker w1 cannot serve version 2: it is torn"))
    assert isinstance(command, Abort)
    assert log.state.rollouts["scorer"].reason == "worker w1 cannot serve version 2: it is torn"


def test_a_pause_takes_its_time(log):
    log.start(SetWeight(10), Wait(5), Wait())
    lead(log)
    log.now_ms = 4_999
    assert due(log) is None
    log.now_ms = 5_000
    assert isinstance(lead(log), Advance)
    log.now_ms = 10**9
    assert due(log) is None


def test_it_looks_once_per_interval_and_says_what_it_saw(log):
    steps: tuple[Step, ...] = (SetWeight(10), Analyse(2, 3, failure="error_rate > 0.6"), Wait())
    log.start(*steps)
    lead(log)
    log.now_ms = 1_999
    assert due(log) is None
    log.now_ms = 2_000
    command = lead(log)
    assert isinstance(command, Measured)
    assert command.reason == "failureCondition not met: error_rate > 0.6 (error_rate = 0.5)"
    assert due(log) is None
    log.now_ms = 4_000
    assert isinstance(lead(log), Measured)
    log.now_ms = 6_000
    lead(log, replace(SEEN, evidence={"error_rate": 0.7}))
    assert log.state.rollouts["scorer"].status == "aborted"
    assert due(log) is None


def test_evidence_that_nobody_knows_ends_the_rollout(log):
    log.start(Analyse(1, 1, success="happiness > 1"))
    lead(log)
    log.now_ms = 1_000
    assert isinstance(lead(log), Abort)
    assert "no evidence is called `happiness`" in log.state.rollouts["scorer"].reason


def test_a_bandit_follows_the_rewards(log):
    log.start(Explore(1, 5, least=5, confidence=0.99, labels=50))
    lead(log)
    log.now_ms = 1_000
    better = replace(SEEN, rewards=(Rewards(100, 60, 60), Rewards(100, 50, 50)))
    command = due(log, better)
    assert isinstance(command, Weighed)
    assert 90 < command.weight < 95
    assert due(log, better) == command
    assert lead(log, better) == command
    log.now_ms = 2_000
    sure = replace(SEEN, rewards=(Rewards(1000, 700, 700), Rewards(1000, 500, 500)))
    lead(log, sure)
    assert log.state.rollouts["scorer"].status == "promoted"


def test_a_paused_rollout_is_left_alone(log):
    rollout = log.start(Wait(1))
    assert log.write(Pause, rollout=rollout.id, turn=0) is None
    assert due(log) is None
