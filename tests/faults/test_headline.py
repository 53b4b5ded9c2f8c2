"""Headline: every worker killed three times and more."""

import asyncio

import pytest

from tests.faults import bugs, oracle
from tests.faults.modes import AT_LEAST_ONCE, DELIVERIES, EXACTLY_ONCE
from tests.faults.oracle import Verdict
from tests.faults.stage import Stage
from tests.faults.trial import Trial
from tests.faults.workers import PATIENCE_S, Plant

KILLS = 3
CALM_S = 3.0
"""For a control: a catch-up is over, so that little was answered just before a kill, and little is excused."""
SLOWEST_RATE = 1000.0
"""Events per second that the workers answer at the very least, for the time that the backlog may take."""

CONTROLS = [
    (AT_LEAST_ONCE, bugs.never_commits, (oracle.TOO_MANY_REPEATS,)),
    (EXACTLY_ONCE, bugs.delivers_without_transactions, (oracle.TOO_MANY_REPEATS,)),
]


async def scene(
    stage: Stage, events: int, workers: int, rate: float, *, rounds: int = KILLS, calm_s: float = 0.0
) -> Verdict:
    """Two producers, four partitions. In each round every worker dies, one shortly after the other: for a while nobody
    is left, so that the time to recover includes starting. calm_s: how long they work at least before they die."""
    feeders = [stage.feeder, await stage.new_feeder("p1")]
    running = [stage.worker() for _ in range(workers)]
    for feeder in feeders:
        feeder.start(rate / len(feeders))
    await stage.until_answered(100)
    for _ in range(rounds):
        await asyncio.sleep(calm_s)
        for worker in stage.random.sample(running, len(running)):
            await asyncio.sleep(stage.random.uniform(0.0, 1.5))
            snapshot = await stage.kill(worker)
            worker.start()
        await stage.recovery_s(snapshot, PATIENCE_S, "all_gone_s")
    for feeder in feeders:
        await feeder.stop()
        await feeder.feed(max(0, events // len(feeders) - feeder.sent))
    return await stage.finish((PATIENCE_S if stage.bug is None else 5.0) + events / SLOWEST_RATE)


@pytest.mark.parametrize("delivery", DELIVERIES)
async def test_nothing_is_lost(trial: Trial, delivery: str) -> None:
    size = trial.size
    async with trial.stage(delivery, partitions=4) as stage:
        trial.passed(stage, await scene(stage, size.headline_events, size.headline_workers, size.headline_rate))


@pytest.mark.parametrize(("delivery", "bug", "kinds"), CONTROLS)
async def test_answering_again_is_caught(trial: Trial, delivery: str, bug: Plant, kinds: tuple[str, ...]) -> None:
    trial = trial.with_bug(bug)
    async with trial.stage(delivery, partitions=4) as stage:
        trial.caught(stage, await scene(stage, 4000, 2, 400.0, rounds=2, calm_s=CALM_S), *kinds)
