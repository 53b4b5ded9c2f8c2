"""5: the broker freezes; it is killed and comes back."""

import asyncio
import time

import pytest
from aiokafka.errors import KafkaError

from streamapp.kafka.app import REBALANCE_GRACE_S
from streamapp.kafka.line import RETRY_LONGEST_S
from tests.brokers import ApacheKafka
from tests.faults.bugs_outside import CONTROLS
from tests.faults.modes import DELIVERIES, EXACTLY_ONCE
from tests.faults.own_broker import own_broker
from tests.faults.stage import Stage
from tests.faults.trial import Trial
from tests.faults.workers import PATIENCE_S, Plant
from tests.faults.workplace import DRAIN_S, SESSION_S

FREEZES_S = {"short": (15.0,), "long": (15.0, 70.0)}
FREEZES_AT_MOST = 5
BACK_AT_WORK_S = SESSION_S + DRAIN_S + REBALANCE_GRACE_S + RETRY_LONGEST_S + 5.0
"""The group may have to form anew, for which it waits a rebalance's length, and publishing to be tried again."""


async def freeze(stage: Stage, broker: ApacheKafka, seconds: float) -> None:
    """Each worker may have to do again what it could not commit: nobody heard a heartbeat meanwhile."""
    await stage.snapshot(f"{seconds:.0f} s freeze of the broker", excuses_workers=len(stage.workers))
    broker.suspend()
    try:
        await asyncio.sleep(seconds)
    finally:
        broker.resume()
    await back_at_work(stage, f"after_freeze_{seconds:.0f}_s")


async def freeze_until_expired(stage: Stage, broker: ApacheKafka, seconds: float) -> None:
    """Freeze until the group has expired a member. A thawed broker may handle the heartbeats that waited for it
    before it looks at its clock, and then expires nobody."""
    for _ in range(FREEZES_AT_MOST):
        before = await stage.members()
        await freeze(stage, broker, seconds)
        if before - await stage.members():
            return
    raise AssertionError(f"{FREEZES_AT_MOST} freezes of {seconds:.0f} s cost no member its place")


async def bounce(stage: Stage, broker: ApacheKafka) -> None:
    await stage.snapshot("the broker's end", excuses_workers=len(stage.workers))
    broker.kill()
    broker.start()
    await reachable(stage)
    await back_at_work(stage, "after_restart_s")


async def reachable(stage: Stage) -> None:
    """Return once the case's own connection to the broker works again."""
    deadline_s = time.monotonic() + PATIENCE_S
    while not await reaches(stage):
        assert time.monotonic() < deadline_s, "the broker came back, and the case does not reach it"
        await asyncio.sleep(0.1)


async def reaches(stage: Stage) -> bool:
    try:
        await stage.committed()
    except KafkaError:
        return False
    return True


async def back_at_work(stage: Stage, figure: str) -> None:
    snapshot = await stage.snapshot(figure)
    stage.figures[figure] = await stage.recovery_s(snapshot, BACK_AT_WORK_S)


async def started(stage: Stage) -> None:
    stage.worker(), stage.worker()
    stage.feeder.start(stage.size.rate)
    await stage.until_answered(100)


@pytest.mark.parametrize("delivery", DELIVERIES)
async def test_nothing_is_lost(trial: Trial, delivery: str) -> None:
    with own_broker(trial) as broker:
        async with trial.stage(delivery, bootstrap_servers=broker.bootstrap_servers) as stage:
            await started(stage)
            for seconds in FREEZES_S[trial.size.name]:
                await freeze(stage, broker, seconds)
            await bounce(stage, broker)
            trial.passed(stage, await stage.finish())


@pytest.mark.parametrize(("delivery", "bug", "session_ms", "kind", "settled_within_s"), CONTROLS)
async def test_an_outage_taken_lightly_is_caught(
    trial: Trial, delivery: str, bug: Plant, session_ms: int, kind: str, settled_within_s: float
) -> None:
    trial = trial.with_bug(bug)
    membership = {"session.timeout.ms": session_ms}
    outage = freeze_until_expired if delivery == EXACTLY_ONCE else freeze
    with own_broker(trial) as broker:
        async with trial.stage(delivery, bootstrap_servers=broker.bootstrap_servers, kafka=membership) as stage:
            await started(stage)
            await outage(stage, broker, 5.0)
            trial.caught(stage, await stage.finish(settled_within_s), kind)
