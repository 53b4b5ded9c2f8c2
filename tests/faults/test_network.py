"""6: the network between a worker and the broker is partitioned, half open, slow, narrow, and resets."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from streamapp.kafka.app import REBALANCE_GRACE_S
from streamapp.kafka.line import RETRY_LONGEST_S
from tests.faults import oracle
from tests.faults.bugs_outside import CONTROLS
from tests.faults.modes import DELIVERIES, EXACTLY_ONCE
from tests.faults.oracle import Verdict
from tests.faults.own_broker import own_broker
from tests.faults.proxy import BOTH, Faults, Proxy
from tests.faults.stage import Stage
from tests.faults.trial import Trial
from tests.faults.workers import PATIENCE_S, Plant, Worker
from tests.faults.workplace import DRAIN_S, IN_FLIGHT_ROWS, SESSION_S, merged, write_pipeline

BACK_AT_WORK_S = SESSION_S + DRAIN_S + REBALANCE_GRACE_S + RETRY_LONGEST_S + 5.0
"""The group may have to form anew, for which it waits a rebalance's length, and publishing to be tried again."""
CUT_ABOVE_BYTES = 2_000
"""A request larger than this carries records."""
RESETS = 4
PROGRESS_PER_S = 5.0
"""What both workers together must do at least, whatever the one behind the proxy suffers."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """cut_off: the worker behind it is out of its group by the end, and what it had in flight is done by another.
    loaded: it begins while more batches wait in the worker than it delivers at once."""

    name: str
    faults: Faults
    seconds: float
    cut_off: bool
    loaded: bool = False


SHORT = (
    Trouble("partition", Faults(held=BOTH), SESSION_S + 3.0, True),
    Trouble("answers_held", Faults(held=frozenset({"down"})), SESSION_S + 3.0, True),
    Trouble("later_100_ms", Faults(delay_s=0.1), 3.0, False),
    Trouble("narrow_3_mbit", Faults(bits_per_s=3e6), 3.0, False),
)
LONG = (
    *SHORT,
    Trouble("requests_held", Faults(held=frozenset({"up"})), SESSION_S + 3.0, True),
    Trouble("long_partition", Faults(held=BOTH), 45.0, True),
)
TROUBLES = {"short": SHORT, "long": LONG}


def behind(stage: Stage, proxy: Proxy) -> Path:
    """A pipeline.yaml whose workers reach the broker through `proxy`; its own, as others read theirs later."""
    found = stage.folder / "behind-proxy.yaml"
    write_pipeline(found, merged(stage.document, {"kafka": {"bootstrap.servers": f"127.0.0.1:{proxy.port}"}}))
    return found


async def at_work(stage: Stage, worker: Worker) -> None:
    """Return once `worker` has partitions and scores: a fault that hits an idle worker shows nothing."""
    entered = worker.gate.entered
    if not await stage.until(lambda: worker.gate.entered > entered, BACK_AT_WORK_S):
        stage.find(oracle.STUCK, f"worker {worker.number} has not come back within {BACK_AT_WORK_S:.0f} s")


async def endure(stage: Stage, proxy: Proxy, worker: Worker, trouble: Trouble) -> None:
    if trouble.loaded:
        worker.gate.hold()
        enough = len(stage.journal.acknowledged) + 2 * stage.partitions * IN_FLIGHT_ROWS
        await stage.until(lambda: len(stage.journal.acknowledged) >= enough, PATIENCE_S)
    answered = len(stage.watcher.answered)
    await stage.snapshot(trouble.name, excuses_workers=1 if trouble.cut_off else 0)
    proxy.apply(trouble.faults)
    worker.gate.release()
    await asyncio.sleep(trouble.seconds)
    progress = len(stage.watcher.answered) - answered
    if progress < PROGRESS_PER_S * trouble.seconds:
        stage.find(oracle.STUCK, f"{progress} answers during {trouble.seconds:.0f} s of {trouble.name}")
    proxy.heal()
    # What was held arrives now; what the worker adds to it before it hears that it is out was done by others.
    after = await stage.snapshot(f"after {trouble.name}", excuses_workers=1 if trouble.cut_off else 0)
    stage.figures[f"{trouble.name}_s"] = await stage.recovery_s(after, BACK_AT_WORK_S)


async def reset(stage: Stage, proxy: Proxy) -> None:
    """In the middle of a request with records, again and again, and all connections at once in the end."""
    before = proxy.resets
    for number in range(RESETS):
        proxy.reset_within(CUT_ABOVE_BYTES)
        if not await stage.until(lambda least=before + number + 1: proxy.resets >= least, BACK_AT_WORK_S):
            stage.find(oracle.STUCK, f"no batch through the proxy within {BACK_AT_WORK_S:.0f} s of {number} resets")
    proxy.reset()
    after = await stage.snapshot("after resets")
    stage.figures["resets_s"] = await stage.recovery_s(after, BACK_AT_WORK_S)
    stage.figures["resets"] = proxy.resets


async def scene(
    stage: Stage, proxy: Proxy, troubles: Sequence[Trouble], *, resets: bool, settled_within_s: float = PATIENCE_S
) -> Verdict:
    """One worker behind the proxy, one beside it."""
    beside, worker = stage.worker(), stage.worker(pipeline=behind(stage, proxy))
    stage.feeder.start(stage.size.rate)
    await stage.until_answered(100)
    for trouble in troubles:
        await at_work(stage, worker)
        await at_work(stage, beside)
        await endure(stage, proxy, worker, trouble)
    if resets:
        await at_work(stage, worker)
        await reset(stage, proxy)
    return await stage.finish(settled_within_s)


@pytest.mark.parametrize("delivery", DELIVERIES)
async def test_nothing_is_lost(trial: Trial, delivery: str) -> None:
    with Proxy() as proxy, own_broker(trial, proxy=proxy) as broker:
        async with trial.stage(delivery, bootstrap_servers=broker.bootstrap_servers) as stage:
            trial.passed(stage, await scene(stage, proxy, TROUBLES[trial.size.name], resets=True))


@pytest.mark.parametrize(("delivery", "bug", "session_ms", "kind", "settled_within_s"), CONTROLS)
async def test_an_outage_taken_lightly_is_caught(
    trial: Trial, delivery: str, bug: Plant, session_ms: int, kind: str, settled_within_s: float
) -> None:
    trial = trial.with_bug(bug)
    membership = {"session.timeout.ms": session_ms}
    # Long enough for the group to give the work to another, exactly once; over before the worker sends again, at
    # least once.
    seconds = SESSION_S + (8.0 if delivery == EXACTLY_ONCE else 2.0)
    loaded = delivery != EXACTLY_ONCE
    partition = Trouble("partition", Faults(held=BOTH), seconds, True, loaded)
    with Proxy() as proxy, own_broker(trial, proxy=proxy) as broker:
        async with trial.stage(delivery, bootstrap_servers=broker.bootstrap_servers, kafka=membership) as stage:
            verdict = await scene(stage, proxy, [partition], resets=False, settled_within_s=settled_within_s)
            trial.caught(stage, verdict, kind)
