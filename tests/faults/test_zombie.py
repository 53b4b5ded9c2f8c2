"""3: a worker is stopped for longer than the session timeout, then goes on."""

import asyncio
import time

import pytest

from tests.faults import bugs, oracle
from tests.faults.modes import AT_LEAST_ONCE, DELIVERIES, EXACTLY_ONCE
from tests.faults.oracle import Verdict
from tests.faults.stage import Stage
from tests.faults.trial import Trial
from tests.faults.workers import Plant
from tests.faults.workplace import COMMIT_S, SESSION_S

EVENTS = 2000
SET_BACK = "commits set back"

CONTROLS = [
    (AT_LEAST_ONCE, bugs.ignores_generation, (oracle.TOO_MANY_REPEATS,)),
    (EXACTLY_ONCE, bugs.shares_no_transactional_id, (oracle.TOO_MANY_REPEATS,)),
]


async def scene(stage: Stage) -> Verdict:
    """The zombie holds batches in flight and many rows that wait. Its heir answers them all before it wakes up, and
    its model is fast again by then: it must know of its loss before it answers what waited."""
    await stage.feeder.feed(EVENTS)
    zombie = stage.worker(pause_s=0.2)
    await stage.until_answered(100)
    zombie.gate.hold()
    await zombie.wait_until_entered(zombie.gate.entered + 1)
    await asyncio.sleep(2 * COMMIT_S)  # what it had answered is committed, so that no open transaction gives it away
    await stage.freeze(zombie)
    stage.worker()
    await stage.until_answered(EVENTS)
    await stage.until_committed(EVENTS)
    await asyncio.sleep(2 * COMMIT_S)  # what the heir answered is committed and excuses nothing
    await stage.snapshot("thaw", excuses_workers=1)  # what it had begun
    zombie.gate.slow(0.0)
    zombie.gate.release()
    stage.thaw(zombie)
    await commits_stay(stage, SESSION_S)
    await stage.feeder.feed(EVENTS // 4)
    return await stage.finish()


async def commits_stay(stage: Stage, watch_s: float) -> None:
    """What the heir committed must not be set back while the zombie finds its way."""
    deadline_s = time.monotonic() + watch_s
    while time.monotonic() < deadline_s:
        committed = await stage.committed()
        if sum(committed.values()) < EVENTS:
            stage.find(SET_BACK, f"{committed} of {EVENTS}")
        await asyncio.sleep(0.1)


@pytest.mark.parametrize("delivery", DELIVERIES)
async def test_nothing_is_lost(trial: Trial, delivery: str) -> None:
    async with trial.stage(delivery) as stage:
        trial.passed(stage, await scene(stage))


@pytest.mark.parametrize(("delivery", "bug", "kinds"), CONTROLS)
async def test_working_on_for_others_is_caught(trial: Trial, delivery: str, bug: Plant, kinds: tuple[str, ...]) -> None:
    trial = trial.with_bug(bug)
    async with trial.stage(delivery) as stage:
        trial.caught(stage, await scene(stage), *kinds)
