"""Headline: every worker killed three times and more."""

import asyncio

import pytest

from tests.faults import bugs, oracle
from tests.faults.modes import DELIVERIES
from tests.faults.oracle import Verdict
from tests.faults.stage import Stage
from tests.faults.trial import Trial
from tests.faults.workers import PATIENCE_S
from tests.faults.workplace import SESSION_S

KILLS = 3
BACK_AT_WORK_S = SESSION_S + 5.0
SLOWEST_RATE = 1000.0
"""Events per second that the workers answer at the very least, for the time that the backlog may take."""


async def scene(stage: Stage, events: int, workers: int, rate: float) -> Verdict:
    """Two producers, four partitions. In each round every worker dies, one shortly after the other."""
    feeders = [stage.feeder, await stage.new_feeder("p1")]
    running = [stage.worker() for _ in range(workers)]
    for feeder in feeders:
        feeder.start(rate / len(feeders))
    await stage.until_answered(100)
    for _ in range(KILLS):
        for worker in stage.random.sample(running, len(running)):
            await asyncio.sleep(stage.random.uniform(0.0, 1.5))
            snapshot = await stage.kill(worker)
            worker.start()
        await stage.recovery_s(snapshot, BACK_AT_WORK_S)
    for feeder in feeders:
        await feeder.stop()
        await feeder.feed(max(0, events // len(feeders) - feeder.sent))
    return await stage.finish(PATIENCE_S + events / SLOWEST_RATE)


@pytest.mark.parametrize("delivery", DELIVERIES)
async def test_nothing_is_lost(trial: Trial, delivery: str) -> None:
    size = trial.size
    async with trial.stage(delivery, partitions=4) as stage:
        trial.passed(stage, await scene(stage, size.headline_events, size.headline_workers, size.headline_rate))


@pytest.mark.parametrize("delivery", DELIVERIES)
async def test_forgetting_to_commit_is_caught(trial: Trial, delivery: str) -> None:
    trial = trial.with_bug(bugs.forgets_to_commit)
    async with trial.stage(delivery, partitions=4) as stage:
        trial.caught(stage, await scene(stage, 4000, 2, 400.0), oracle.TOO_MANY_REPEATS)
