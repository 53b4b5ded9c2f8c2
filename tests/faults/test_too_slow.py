"""15 and backpressure: the model is too slow for what comes in."""

import asyncio
import time

import pytest

from streamapp.demo.broker import free_port
from tests.faults import bugs_inside
from tests.faults.oracle import Verdict
from tests.faults.probing import metric
from tests.faults.slope import slope
from tests.faults.soak import resident_mib
from tests.faults.some_modes import dealt
from tests.faults.stage import Stage
from tests.faults.trial import Trial
from tests.faults.workplace import BATCH_ROWS

PAUSE_S = 0.2
"""Per batch: 320 rows a second at most, when batches are full."""
RATE = 800
QUEUE_ROWS = 4 * BATCH_ROWS
SECONDS = {"short": 8.0, "long": 60.0}
MOST_MIB_PER_HOUR = 3600.0
"""8 MiB in the short scene's seconds."""
MOST_ROWS = 2 * QUEUE_ROWS
"""What a fetch brings is counted when it is handed over, so that one fetch may come on top."""
PRESSED = "backpressure"


async def scene(stage: Stage, port: int, seconds: float) -> Verdict:
    worker = stage.worker(pause_s=PAUSE_S)
    await stage.feeder.feed(10)
    await stage.until_answered(10)
    stage.feeder.start(RATE)
    at_s: list[float] = []
    memory: list[float] = []
    lag: list[float] = []
    waiting: list[float] = []
    began_s = time.monotonic()
    while time.monotonic() - began_s < seconds:
        await asyncio.sleep(0.25)
        at_s.append(time.monotonic() - began_s)
        memory.append(resident_mib(worker.child.pid))
        lag.append(await asyncio.to_thread(metric, port, "streamapp_consumer_lag_records"))
        waiting.append(await asyncio.to_thread(metric, port, "streamapp_waiting_rows"))
    await stage.feeder.stop()
    later = slice(len(at_s) // 4, None)
    line = slope(at_s[later], memory[later])
    batches = [int(rows) for rows in (worker.gate.folder / "entered").read_text().split()]
    stage.figures |= {"memory MiB/h": line.per_hour, "lag": lag[-1], "waiting rows": max(waiting), "batch": batches[-1]}
    if line.grows(MOST_MIB_PER_HOUR):
        stage.find(PRESSED, f"memory grows by {line.per_hour:.0f} ± {line.error:.0f} MiB per hour")
    if max(waiting) > MOST_ROWS:
        stage.find(PRESSED, f"{max(waiting):.0f} rows wait in the worker, {QUEUE_ROWS} allowed")
    if not lag[-1] > lag[len(lag) // 2] > lag[len(lag) // 4] >= 0:
        stage.find(PRESSED, f"the lag does not show: {lag[:: len(lag) // 8]}")
    if set(batches[-5:]) != {BATCH_ROWS} or min(batches) >= BATCH_ROWS:
        stage.find(PRESSED, f"batches did not grow to {BATCH_ROWS}: {batches[:5]} … {batches[-5:]}")
    worker.gate.slow(0.0)
    await stage.until_answered(len(stage.journal.acknowledged))
    if worker.said().count("generation ") != 1:
        stage.find(PRESSED, "the worker fell out of its group")
    return await stage.finish()


def overrides(port: int) -> dict[str, object]:
    return {"metrics": {"enabled": True, "port": port}, "batching": {"max_queue_size": QUEUE_ROWS}}


@pytest.mark.parametrize("delivery", dealt(1))
async def test_memory_stays_flat_and_the_lag_shows(trial: Trial, delivery: str) -> None:
    port = free_port()
    async with trial.stage(delivery, **overrides(port)) as stage:
        trial.passed(stage, await scene(stage, port, SECONDS[trial.size.name]))


@pytest.mark.parametrize("delivery", dealt(0))
async def test_taking_without_end_is_caught(trial: Trial, delivery: str) -> None:
    port = free_port()
    trial = trial.with_bug(bugs_inside.takes_without_end)
    async with trial.stage(delivery, **overrides(port)) as stage:
        trial.caught(stage, await scene(stage, port, SECONDS[trial.size.name]), PRESSED)
