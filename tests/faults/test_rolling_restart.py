"""Rolling restart: each of three workers in turn, under load."""

import pytest

from tests.faults import bugs, oracle
from tests.faults.modes import DELIVERIES
from tests.faults.oracle import Verdict
from tests.faults.stage import Stage
from tests.faults.trial import Trial
from tests.faults.workplace import DRAIN_S


async def scene(stage: Stage) -> Verdict:
    await stage.feeder.feed(2000)
    workers = [stage.worker() for _ in range(3)]
    stage.feeder.start(stage.size.rate)
    await stage.until_answered(2000)
    for worker in workers:
        status, took_s = await stage.stop(worker)
        stage.figures["exit_s"] = max(took_s, stage.figures.get("exit_s", 0.0))
        if status != 0 or took_s > DRAIN_S:
            stage.find("late or failed", f"worker {worker.number}: status {status} after {took_s:.1f} s")
        assigned = worker.assignments
        worker.start()
        await worker.wait_until_assigned(assigned + 1)
    return await stage.finish()


@pytest.mark.parametrize("delivery", DELIVERIES)
async def test_nothing_is_lost(trial: Trial, delivery: str) -> None:
    async with trial.stage(delivery, partitions=4) as stage:
        trial.passed(stage, await scene(stage))


@pytest.mark.parametrize("delivery", DELIVERIES)
async def test_answering_in_another_order_is_caught(trial: Trial, delivery: str) -> None:
    trial = trial.with_bug(bugs.reverses_batches)
    async with trial.stage(delivery, partitions=4) as stage:
        trial.caught(stage, await scene(stage), oracle.DISORDERED)
