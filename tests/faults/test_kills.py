"""1: a worker is killed at random moments."""

import asyncio

import pytest

from tests.faults import bugs, oracle
from tests.faults.modes import AT_LEAST_ONCE, DELIVERIES, EXACTLY_ONCE
from tests.faults.oracle import Verdict
from tests.faults.stage import Stage
from tests.faults.trial import Trial
from tests.faults.workers import Plant
from tests.faults.workplace import SESSION_S

BACK_AT_WORK_S = SESSION_S + 5.0

CONTROLS = [
    (AT_LEAST_ONCE, bugs.does_not_await_delivery, (oracle.LOST, oracle.EARLY_COMMIT)),
    (EXACTLY_ONCE, bugs.commits_apart_from_outputs, (oracle.LOST, oracle.EARLY_COMMIT)),
]


async def scene(stage: Stage, kills: int) -> Verdict:
    await stage.feeder.feed(1000)
    workers = [stage.worker(), stage.worker()]
    stage.feeder.start(stage.size.rate)
    await stage.until_answered(100)
    for number in range(kills):
        await asyncio.sleep(stage.random.uniform(0.2, 1.0))
        victim = workers[number % len(workers)]
        snapshot = await stage.kill(victim)
        assigned = victim.assignments
        victim.start()
        await stage.recovery_s(snapshot, BACK_AT_WORK_S)
        await victim.wait_until_assigned(assigned + 1)  # or nobody would be left when the next one dies
    return await stage.finish()


@pytest.mark.parametrize("delivery", DELIVERIES)
async def test_nothing_is_lost(trial: Trial, delivery: str) -> None:
    async with trial.stage(delivery) as stage:
        trial.passed(stage, await scene(stage, stage.size.kills))


@pytest.mark.parametrize(("delivery", "bug", "kinds"), CONTROLS)
async def test_answering_before_it_is_durable_is_caught(
    trial: Trial, delivery: str, bug: Plant, kinds: tuple[str, ...]
) -> None:
    trial = trial.with_bug(bug)
    async with trial.stage(delivery) as stage:
        trial.caught(stage, await scene(stage, 1), *kinds)
