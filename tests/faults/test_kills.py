"""1: a worker is killed at random moments."""

import asyncio

import pytest

from tests.faults import bugs, oracle
from tests.faults.modes import DELIVERIES
from tests.faults.oracle import Verdict
from tests.faults.stage import Stage
from tests.faults.trial import Trial
from tests.faults.workplace import SESSION_S

BACK_AT_WORK_S = SESSION_S + 5.0


async def scene(stage: Stage, kills: int) -> Verdict:
    workers = [stage.worker(), stage.worker()]
    stage.feeder.start(stage.size.rate)
    await stage.until_answered(100)
    for number in range(kills):
        await asyncio.sleep(stage.random.uniform(0.0, 1.0))
        victim = workers[number % len(workers)]
        snapshot = await stage.kill(victim)
        victim.start()
        await stage.recovery_s(snapshot, BACK_AT_WORK_S)
    return await stage.finish()


@pytest.mark.parametrize("delivery", DELIVERIES)
async def test_nothing_is_lost(trial: Trial, delivery: str) -> None:
    async with trial.stage(delivery) as stage:
        trial.passed(stage, await scene(stage, stage.size.kills))


@pytest.mark.parametrize("delivery", DELIVERIES)
async def test_answering_before_delivery_is_caught(trial: Trial, delivery: str) -> None:
    trial = trial.with_bug(bugs.does_not_await_delivery)
    async with trial.stage(delivery) as stage:
        trial.caught(stage, await scene(stage, 1), oracle.LOST, oracle.EARLY_COMMIT)
