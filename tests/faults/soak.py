"""A worker at load for a long time: is its memory flat, and does no backlog grow?

`python -m tests.faults.soak --minutes 30` starts a broker of its own, measures the peak rate on a backlog, feeds half
of it and writes `build/faults/soak.json`: resident memory and lag each second, and their slopes per hour.
"""

import argparse
import asyncio
import json
import resource
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

from aiokafka import AIOKafkaProducer

from streamapp.demo.broker import free_port
from tests.brokers import ApacheKafka, versions
from tests.faults.events import make_event
from tests.faults.probing import metric
from tests.faults.slope import BLOCKS, Slope, slope
from tests.faults.workers import Plant, Worker
from tests.faults.workplace import ROOT, lay_out, merged, settings, write_pipeline
from tests.kafka_io import create_topics

PARTITIONS = 4
EVENTS = 10_000
"""Different events; they are fed round and round."""
TICK_S = 0.05
MOST_MIB_PER_HOUR = 10.0
"""Growth of resident memory that is called flat even where it is beyond its error."""
MOST_LAG_S = 5.0
"""A backlog is what takes longer than this to work off at the rate that is fed."""
WARM_UP = 0.2
"""Share of the samples at the beginning that is left out: caches fill, allocators settle."""
BROKER = "log.retention.check.interval.ms=20000\n"
TOPICS = {"retention.bytes": str(200_000_000), "segment.bytes": str(50_000_000)}
_PAGE_MIB = resource.getpagesize() / 2**20
_LAG = "streamapp_consumer_lag_records"
_ANSWERED = "streamapp_events_total"


@dataclass(slots=True)
class Soak:
    """What was measured. rss_mib and lag: a sample a second (unless told otherwise), each with its time in at_s.
    peak: events per second on a backlog; rate: fed. unanswered: events acknowledged by the broker that have no answer
    at the end."""

    rate: float
    most_mib_per_hour: float = MOST_MIB_PER_HOUR
    peak: float = 0.0
    events: int = 0
    unanswered: int = 0
    generations: int = 0
    at_s: list[float] = field(default_factory=list)
    rss_mib: list[float] = field(default_factory=list)
    lag: list[float] = field(default_factory=list)

    def lines(self) -> tuple[Slope, Slope]:
        """Of memory (MiB per hour) and of lag (events per hour), after the warm-up."""
        first = int(len(self.at_s) * WARM_UP)
        at_s = self.at_s[first:]
        return slope(at_s, self.rss_mib[first:]), slope(at_s, self.lag[first:])

    def complaints(self) -> list[str]:
        """What is not as it should be."""
        memory, lag = self.lines()
        last = self.lag[-max(1, len(self.lag) // BLOCKS) :]
        backlog = sum(last) / len(last)
        found = []
        if memory.grows(self.most_mib_per_hour):
            found.append(f"memory grows by {memory.per_hour:.1f} ± {memory.error:.1f} MiB per hour")
        if lag.grows(0.0) and backlog > MOST_LAG_S * self.rate:
            found.append(f"the backlog grows, to {backlog:.0f} events")
        if self.unanswered:
            found.append(f"{self.unanswered} events are not answered")
        if self.generations != 1:
            found.append(f"the worker was in {self.generations} generations of its group")
        return found

    def report(self) -> dict[str, Any]:
        """As JSON."""
        memory, lag = self.lines()
        figures = {"memory_mib_per_hour": asdict(memory), "lag_per_hour": asdict(lag)}
        return {**figures, "complaints": self.complaints(), **asdict(self)}


class Ground:
    """A pipeline with drift and metrics on, one worker, and a feeder that keeps no journal."""

    def __init__(self, bootstrap_servers: str, folder: Path, overrides: Mapping[str, Any] | None = None) -> None:
        self.bootstrap_servers, self.folder = bootstrap_servers, folder
        mark = uuid4().hex[:10]
        self.events, self.predictions, self.letters = f"events-{mark}", f"predictions-{mark}", f"dead-letters-{mark}"
        self.port = free_port()
        document = settings(bootstrap_servers, f"group-{mark}", self.events, self.predictions, self.letters)
        on = {
            "metrics": {"enabled": True, "port": self.port},
            "drift": {"enabled": True},
            "predictions": {"include_event": False},
            "batching": {"max_batch_size": 1024},
        }
        self.document = merged(merged(document, on), overrides or {})
        self.sent = [0] * PARTITIONS
        made = [make_event("soak", f"key-{number % 100}", number) for number in range(EVENTS)]
        self._records = [(event.key.encode(), event.value) for event in made]

    async def lay_out(self) -> None:
        """Files and topics."""
        self.folder.mkdir(parents=True, exist_ok=True)
        lay_out(self.folder)
        write_pipeline(self.folder / "pipeline.yaml", self.document)
        names = (self.events, self.predictions, self.letters)
        await create_topics(self.bootstrap_servers, dict.fromkeys(names, PARTITIONS), config=TOPICS)

    def worker(self, *plants: Plant) -> Worker:
        """A worker, started."""
        worker = Worker(0, self.folder / "pipeline.yaml", plants)
        worker.start()
        return worker

    def answered(self) -> float:
        """Events answered, as the worker counts them."""
        return metric(self.port, _ANSWERED)

    async def feed(self, producer: AIOKafkaProducer, events: int) -> None:
        """That many events, spread over the partitions in whole record batches."""
        await asyncio.gather(*[self._fill(producer, p, events // PARTITIONS) for p in range(PARTITIONS)])

    async def _fill(self, producer: AIOKafkaProducer, partition: int, events: int) -> None:
        sent, end = self.sent[partition], self.sent[partition] + events
        while sent < end:
            builder = producer.create_batch()
            while sent < end:
                key, value = self._records[(sent * PARTITIONS + partition) % EVENTS]
                if builder.append(timestamp=int(time.time() * 1000), key=key, value=value, headers=[]) is None:
                    break
                sent += 1
            builder.close()
            await (await producer.send_batch(builder, self.events, partition=partition))
        self.sent[partition] = sent


async def run(
    ground: Ground,
    seconds: float,
    rate: float | None,
    *plants: Plant,
    peak_events: int = 200_000,
    sample_s: float = 1.0,
    most_mib_per_hour: float = MOST_MIB_PER_HOUR,
) -> Soak:
    """Feed `rate` events per second (None: half of the peak that is measured first) for that long, and measure."""
    await ground.lay_out()
    async with AIOKafkaProducer(bootstrap_servers=ground.bootstrap_servers, acks=1, max_batch_size=500_000) as producer:
        found = Soak(rate or 0.0, most_mib_per_hour)
        if rate is None:
            await ground.feed(producer, peak_events)
        worker = ground.worker(*plants)
        try:
            await worker.wait_until_said("holds")
            if rate is None:
                found.peak = await _peak(ground, peak_events)
                found.rate = found.peak / 2
            await _load(ground, producer, worker, found, seconds, sample_s)
            await _answered(ground, found)
            found.generations = worker.said().count("generation ")
        finally:
            worker.end()
    return found


async def _peak(ground: Ground, events: int) -> float:
    """Events per second between a tenth and nine tenths of a backlog."""
    first = last = (0.0, 0.0)
    while last[1] < 0.9 * events:
        await asyncio.sleep(0.05)
        last = (time.monotonic(), await asyncio.to_thread(ground.answered))
        if not first[1] and last[1] > 0.1 * events:
            first = last
    return (last[1] - first[1]) / max(last[0] - first[0], 0.05)


async def _load(
    ground: Ground, producer: AIOKafkaProducer, worker: Worker, found: Soak, seconds: float, sample_s: float
) -> None:
    began_s = next_s = time.monotonic()
    fed = 0
    while (passed_s := time.monotonic() - began_s) < seconds:
        due = int(passed_s * found.rate) - fed
        if due >= PARTITIONS:
            await ground.feed(producer, due)
            fed += due // PARTITIONS * PARTITIONS
        if time.monotonic() >= next_s:
            next_s += sample_s
            found.at_s.append(passed_s)
            found.rss_mib.append(resident_mib(worker.child.pid))
            found.lag.append(await asyncio.to_thread(metric, ground.port, _LAG))
        await asyncio.sleep(TICK_S)


def resident_mib(pid: int) -> float:
    """Resident memory of a process."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE_MIB


async def _answered(ground: Ground, found: Soak) -> None:
    """Wait for the rest of the answers, as long as some come."""
    found.events = sum(ground.sent)
    before, deadline_s = -1.0, time.monotonic() + 30
    while (now := await asyncio.to_thread(ground.answered)) < found.events and time.monotonic() < deadline_s:
        if now > before:
            before, deadline_s = now, time.monotonic() + 30
        await asyncio.sleep(0.2)
    found.unanswered = int(found.events - now)


def write(found: Soak, path: Path) -> None:
    """The report."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(found.report(), indent=1) + "\n")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--rate", type=float, default=None, help="events per second; half of the peak if absent")
    parser.add_argument("--delivery", default="at_least_once")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "faults" / "soak.json")
    given = parser.parse_args()
    overrides = {} if given.delivery == "at_least_once" else {"delivery": given.delivery}
    with tempfile.TemporaryDirectory(prefix="soak-") as scratch:
        folder = Path(scratch)
        (folder / "kafka").mkdir()
        with ApacheKafka(versions()[0], folder / "kafka", properties=BROKER) as broker:
            ground = Ground(broker.bootstrap_servers, folder / "pipeline", overrides)
            found = asyncio.run(run(ground, given.minutes * 60, given.rate))
    write(found, given.out)
    memory, lag = found.lines()
    print(f"{found.events} events in {given.minutes:g} minutes at {found.rate:.0f}/s (peak {found.peak:.0f}/s)")
    print(f"memory {found.rss_mib[-1]:.0f} MiB, {memory.per_hour:+.1f} ± {memory.error:.1f} MiB per hour")
    print(f"lag at the end {found.lag[-1]:.0f}, {lag.per_hour:+.0f} ± {lag.error:.0f} per hour")
    print("\n".join(found.complaints()) or "flat")
    return bool(found.complaints())


if __name__ == "__main__":
    sys.exit(main())
