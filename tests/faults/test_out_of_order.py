"""14: batches complete out of order, the first one never; then kill -9."""

import asyncio

import pytest

from tests.faults import bugs, oracle
from tests.faults.modes import AT_LEAST_ONCE, DELIVERIES, EXACTLY_ONCE
from tests.faults.oracle import Verdict
from tests.faults.scenes import completes_side_by_side, first_batch_hangs
from tests.faults.stage import Stage
from tests.faults.trial import Trial
from tests.faults.workers import Plant
from tests.faults.workplace import COMMIT_S

COMMITS_S = 3 * COMMIT_S
"""Time for whatever the worker would commit."""

CONTROLS = [
    (AT_LEAST_ONCE, bugs.commits_highest_settled, (oracle.LOST, oracle.EARLY_COMMIT)),
    (EXACTLY_ONCE, bugs.commits_when_opened, (oracle.LOST, oracle.EARLY_COMMIT)),
]


async def scene(stage: Stage) -> Verdict:
    """What lies behind the open batch is answered and must not be committed. The scene itself brings about that keys
    are answered out of order and that everything behind the open batch is answered again.

    Exactly once, outputs enter the transaction in order; what lies behind the open batch waits at the model.
    """
    await stage.feeder.feed(1000)
    if stage.delivery == EXACTLY_ONCE:
        worker = stage.worker(first_batch_hangs)
        await worker.wait_until_entered(2)
    else:
        worker = stage.worker(first_batch_hangs, completes_side_by_side)
        await stage.until_answered(300)
    await asyncio.sleep(COMMITS_S)
    await stage.kill(worker)
    stage.worker()
    return (await stage.finish()).without(oracle.DISORDERED, oracle.TOO_MANY_REPEATS)


@pytest.mark.parametrize("delivery", DELIVERIES)
async def test_nothing_is_lost(trial: Trial, delivery: str) -> None:
    async with trial.stage(delivery) as stage:
        trial.passed(stage, await scene(stage))


@pytest.mark.parametrize(("delivery", "bug", "kinds"), CONTROLS)
async def test_committing_beyond_the_open_batch_is_caught(
    trial: Trial, delivery: str, bug: Plant, kinds: tuple[str, ...]
) -> None:
    trial = trial.with_bug(bug)
    async with trial.stage(delivery) as stage:
        trial.caught(stage, await scene(stage), *kinds)
