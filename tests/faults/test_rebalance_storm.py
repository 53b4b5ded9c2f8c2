"""4: a worker joins or leaves every three seconds."""

import asyncio
import signal
import time

import pytest

from tests.faults import bugs, oracle
from tests.faults.modes import DELIVERIES
from tests.faults.oracle import Verdict
from tests.faults.stage import Stage
from tests.faults.trial import Trial

LEFT = (0, -signal.SIGTERM)
"""Exit statuses of a worker that was told to leave; the signal covers one that was still starting."""
EVERY_S = 3.0
MOST = 4
PAUSE_S = 0.1
BACKLOG = 3000
PROGRESS_S = 20.0
PROGRESS_EVENTS = 100


async def scene(stage: Stage) -> Verdict:
    """Up to four workers on four partitions; there is always more to do than they can."""
    await stage.feeder.feed(BACKLOG)
    stage.feeder.start(stage.size.rate)
    stage.worker(pause_s=PAUSE_S)
    await stage.until_answered(100)
    began_s = time.monotonic()
    while time.monotonic() < began_s + stage.size.storm_s:
        moved_s = time.monotonic()
        await join_or_leave(stage)
        await asyncio.sleep(max(0.0, moved_s + EVERY_S - time.monotonic()))
    check_progress(stage, began_s, time.monotonic())
    for worker in stage.workers:
        worker.gate.slow(0.0)
    return await stage.finish()


async def join_or_leave(stage: Stage) -> None:
    running = [worker for worker in stage.workers if worker.running]
    if len(running) < 2 or (len(running) < MOST and stage.random.random() < 0.5):
        stage.worker(pause_s=PAUSE_S)
        return
    status, _ = await stage.stop(stage.random.choice(running))
    if status not in LEFT:
        stage.find("failed", f"a worker that was told to leave ended with {status}")


def check_progress(stage: Stage, began_s: float, ended_s: float) -> None:
    """At least 100 answers in every 20 s, or in the storm if it is shorter."""
    length_s = min(PROGRESS_S, ended_s - began_s)
    arrived_s = stage.watcher.arrived_s
    least = len(arrived_s)
    start_s = began_s
    while start_s + length_s <= ended_s:
        least = min(least, sum(start_s <= at_s < start_s + length_s for at_s in arrived_s))
        start_s += 1.0
    stage.figures["least_progress"] = least
    if least < PROGRESS_EVENTS:
        stage.find(oracle.STUCK, f"{least} answers within {length_s:.0f} s")


@pytest.mark.parametrize("delivery", DELIVERIES)
async def test_nothing_is_lost(trial: Trial, delivery: str) -> None:
    async with trial.stage(delivery, partitions=4) as stage:
        trial.passed(stage, await scene(stage))


@pytest.mark.parametrize("delivery", DELIVERIES)
async def test_committing_what_was_only_fetched_is_caught(trial: Trial, delivery: str) -> None:
    trial = trial.with_bug(bugs.commits_when_opened)
    async with trial.stage(delivery, partitions=4) as stage:
        # Whether a rebalance then loses something is chance; the commit alone is the bug.
        trial.caught(stage, await scene(stage), oracle.EARLY_COMMIT)
