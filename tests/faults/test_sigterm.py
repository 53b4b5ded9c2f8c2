"""2: SIGTERM with a slow batch in flight."""

import pytest

from tests.faults import bugs
from tests.faults.modes import DELIVERIES
from tests.faults.oracle import Verdict
from tests.faults.stage import Stage
from tests.faults.trial import Trial
from tests.faults.workers import Worker
from tests.faults.workplace import DRAIN_S

LEAVE_S = 2.0
"""For committing and leaving the group after a batch that did not finish in time."""
NOT_FINISHED = "not finished"
LATE_OR_FAILED = "late or failed"


async def scene(stage: Stage) -> Verdict:
    """A worker with slow batches is told to stop and finishes them; one with a batch that hangs leaves it."""
    await stage.feeder.feed(1500)
    slow = stage.worker(pause_s=0.7)
    await slow.wait_until_entered(2)
    entered = slow.gate.rows
    await leave(stage, slow, DRAIN_S)
    committed = sum(stage.snapshots[-1].committed.values())
    if committed < entered:
        stage.find(NOT_FINISHED, f"{entered} rows were in flight, {committed} are committed")
    stuck = stage.worker(hold=True)
    await stuck.wait_until_entered(1)
    await leave(stage, stuck, DRAIN_S + LEAVE_S)
    stage.worker()
    return await stage.finish()


async def leave(stage: Stage, worker: Worker, within_s: float) -> None:
    status, took_s = await stage.stop(worker)
    stage.figures[f"exit_s_of_worker_{worker.number}"] = took_s
    if status != 0 or took_s > within_s:
        stage.find(LATE_OR_FAILED, f"worker {worker.number}: status {status} after {took_s:.1f} of {within_s:.1f} s")


@pytest.mark.parametrize("delivery", DELIVERIES)
async def test_nothing_is_lost(trial: Trial, delivery: str) -> None:
    async with trial.stage(delivery) as stage:
        trial.passed(stage, await scene(stage))


@pytest.mark.parametrize("delivery", DELIVERIES)
async def test_leaving_without_finishing_is_caught(trial: Trial, delivery: str) -> None:
    trial = trial.with_bug(bugs.skips_drain)
    async with trial.stage(delivery) as stage:
        trial.caught(stage, await scene(stage), NOT_FINISHED)
