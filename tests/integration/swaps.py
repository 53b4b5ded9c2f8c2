"""Versions exchanged again and again under load: nothing is lost, nobody answers out of turn, and answers stay quick.

`python -m tests.integration.swaps --swaps 50` starts a broker of its own and two workers, measures their peak rate on a
backlog, feeds half of it, exchanges versions, and prints what came of it as JSON.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from aiokafka import AIOKafkaProducer

from streamapp.act.commands import Abort
from streamapp.act.steps import SetWeight, Wait
from streamapp.clock import SystemClock
from streamapp.control.client import ControlClient, new_id
from streamapp.control.deploy import deploy
from streamapp.types import Tenant
from tests.brokers import ApacheKafka, versions
from tests.integration.rollout_field import MODEL, Answers, Field

BACKLOG = 60_000
PAUSE_S = 0.5
AFTER_MS = 250
"""How long after a command an answer counts as given during a swap."""


@dataclass
class Swaps:
    """What came of it; latencies in ms, from an event's record to its prediction's."""

    peak_per_s: float
    fed_per_s: float
    events: int
    swaps: int
    lost: int
    repeated: int
    dead: int
    unlawful: int
    p99_ms: float
    p99_during_swaps_ms: float


async def swap(ground: Field, client: ControlClient, count: int) -> list[int]:
    """Promotions, deployments back, and rollouts cut short, in turn; the times (ms) of what changed who answers."""
    for number in range(count):
        if number % 3 == 0:
            await ground.roll_out(client, "2", SetWeight(50), Wait(0.2), SetWeight(100))
            await ground.until(client, lambda r: r.over)
        elif number % 3 == 1:
            await deploy(client, MODEL, "1", Tenant("champion"), "", by="test", clock=SystemClock())
        else:
            id = await ground.roll_out(client, "3", SetWeight(30), Wait())
            await ground.until(client, lambda r: r.weight == 30)
            await client.send(Abort(id=new_id(), by="test", at_ms=int(time.time() * 1000), rollout=id))
        await asyncio.sleep(PAUSE_S)
    return [entry.at_ms for entry in client.entries if not entry.refusal]


async def peak(ground: Field) -> float:
    """Events per second, over the backlog between its first and last answer."""
    async with AIOKafkaProducer(bootstrap_servers=ground.bootstrap_servers, max_batch_size=500_000) as producer:
        for _ in range(BACKLOG // 4_000):
            await ground.feed(producer, 4_000)
    await ground.started(2)
    answers = await ground.answers()
    times_ms = np.sort([at_ms for at_ms, _ in answers.predictions])
    low, high = int(0.1 * len(times_ms)), int(0.9 * len(times_ms))
    return float((high - low) / max(times_ms[high] - times_ms[low], 1) * 1000)


def p99s(ground: Field, answers: Answers, changes_ms: Sequence[int], first: int) -> tuple[float, float]:
    """The 99th percentile without and during swaps, of events from number `first` on."""
    quiet: list[float] = []
    during: list[float] = []
    changes = np.array(sorted(changes_ms))
    for at_ms, value in answers.predictions:
        number = int(value["id"][1:])
        if number >= first:
            place = int(np.searchsorted(changes, at_ms, "right")) - 1
            since = at_ms - changes[place] if place >= 0 else AFTER_MS + 1
            (during if since <= AFTER_MS else quiet).append(at_ms - ground.fed_at_ms[number])
    return float(np.percentile(quiet, 99)), float(np.percentile(during, 99))


async def run(ground: Field, count: int, rate: float | None = None) -> Swaps:
    """`count` swaps at `rate` events per second, half of the peak if absent."""
    for version in ("2", "3"):
        ground.put(version)
    most = await peak(ground)
    first, rate = ground.fed, rate or most / 2
    async with ground.control() as client, ground.feeding(int(rate)):
        await asyncio.sleep(2.0)
        changes = await swap(ground, client, count)
        await asyncio.sleep(1.5)
    answers = await ground.answers()
    quiet, during = p99s(ground, answers, changes, first)
    unlawful = answers.unlawful(client.entries, ground.name)
    lost = ground.fed - len(answers.ids)
    counts = (lost, answers.repeated, len(answers.dead), len(unlawful))
    return Swaps(most, rate, ground.fed - first, count, *counts, quiet, during)


async def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--swaps", type=int, default=50)
    parser.add_argument("--rate", type=float, default=None, help="events per second; half of the peak if absent")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="swaps-") as scratch:
        folder = Path(scratch)
        (folder / "kafka").mkdir()
        with ApacheKafka(versions()[0], folder / "kafka") as broker:
            ground = Field(broker.bootstrap_servers, folder, lambda stem: f"{stem}-{uuid.uuid4().hex[:8]}")
            await ground.create()
            try:
                found = await run(ground, given.swaps, given.rate)
            finally:
                ground.close()
    print(json.dumps(asdict(found), indent=1))
    return int(bool(found.lost or found.unlawful or found.p99_during_swaps_ms > 2 * found.p99_ms))


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
