"""The time-lapse: a process that publishes flights, weather and outcomes in the order in which they became known.

`python -m streamapp.demo.replay <replay.json>`
"""

import asyncio
import json
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import orjson
import pandas as pd
from aiokafka import AIOKafkaProducer

from streamapp.demo.answers import AnswerCount
from streamapp.demo.events import Arrivals, Departures, milliseconds, partition_of
from streamapp.demo.faults import KINDS, broken, draw
from streamapp.demo.journal import Entry, Journal
from streamapp.demo.store import WeatherFeed
from streamapp.demo.timeline import Kind, Pace, Timeline, merge

_PROGRESS_S = 0.25
_BURST = 512


@dataclass(frozen=True, slots=True)
class ReplayPlan:
    """What to replay and where to. start and until: ISO dates; speed: event seconds per second; paths as text."""

    bootstrap_servers: str
    topic: str
    predictions: str
    dead_letters: str
    outcomes: str
    partitions: int
    fetch_max_wait_ms: int
    directory: str
    start: str
    until: str
    speed: float
    seed: int

    def write(self, path: Path) -> None:
        """Save it for the process."""
        path.write_text(json.dumps(asdict(self)), encoding="utf-8")

    @staticmethod
    def read(path: Path) -> "ReplayPlan":
        """What was saved."""
        return ReplayPlan(**json.loads(path.read_text(encoding="utf-8")))


@dataclass(frozen=True, slots=True)
class ReplayProgress:
    """How far it is. Times in ms of event time; done once everything was acknowledged."""

    now_ms: int
    start_ms: int
    end_ms: int
    events: int
    broken: int
    outcomes: int
    total_events: int
    measurements: int
    done: bool

    @staticmethod
    def read(path: Path) -> "ReplayProgress | None":
        """The latest, or None before the first."""
        try:
            return ReplayProgress(**json.loads(path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None


class Replay:
    """Publishes the timeline; before each measurement reaches the store every event before it has been answered,
    so that no flight is scored with weather from its future however fast time flies."""

    def __init__(self, plan: ReplayPlan, producer: AIOKafkaProducer, answers: AnswerCount, journal: Journal) -> None:
        self._plan = plan
        self._producer = producer
        self._answers = answers
        self._journal = journal
        directory = Path(plan.directory)
        flights = pd.read_parquet(directory / "flights.parquet")
        weather = pd.read_parquet(directory / "feature_repo" / "data" / "weather.parquet")
        start, until = pd.Timestamp(plan.start, tz="America/New_York"), pd.Timestamp(plan.until, tz="America/New_York")
        flights = flights[(flights["scheduled"] >= start) & (flights["scheduled"] < until)].reset_index(drop=True)
        self._departures = Departures.of(flights)
        self._arrivals = Arrivals.of(flights)
        coming = weather[weather["measured"] > start]
        self._measured = [rows for _, rows in coming.groupby("measured")]
        hours = milliseconds(pd.Series([rows["measured"].iloc[0] for rows in self._measured]))
        self._timeline = merge(hours, self._departures.scheduled_ms, self._arrivals.arrived_ms)
        chosen, kinds = draw(len(flights), plan.seed)
        self._faults = {int(row): KINDS[kind] for row, kind in zip(chosen, kinds, strict=True)}
        self._feed = WeatherFeed(directory / "feature_repo")
        self._progress = directory / "replay.progress"
        self._sent: list[asyncio.Future[object]] = []
        self._counts = {"events": 0, "broken": 0, "outcomes": 0, "measurements": 0}
        self._start_ms = int(start.timestamp() * 1000)

    async def run(self) -> None:
        """Replay all of it; return once the broker acknowledged the last record."""
        timeline, at, reported_s = self._timeline, 0, 0.0
        pace = Pace(self._start_ms, self._plan.speed, time.monotonic())
        while at < len(timeline):
            if timeline.kinds[at] == Kind.MEASURED:
                await self._answered()
                await asyncio.to_thread(self._feed.measured, self._measured[timeline.rows[at]])
                self._counts["measurements"] += 1
                stop = at + 1
            else:
                stop = min(timeline.until(at, pace.now_ms(time.monotonic())), at + _BURST)
                await self._publish(timeline, at, stop)
            at = stop
            now_s = time.monotonic()
            pace.reached(float(timeline.times_ms[at - 1] if at else self._start_ms), now_s)
            if now_s - reported_s > _PROGRESS_S:
                reported_s = now_s
                self._report(at, done=False)
            if at < len(timeline):
                await asyncio.sleep(pace.wait_s(float(timeline.times_ms[at]), now_s))
        await self._acknowledged()
        self._report(at, done=True)

    async def _publish(self, timeline: Timeline, start: int, stop: int) -> None:
        for row, kind in zip(timeline.rows[start:stop].tolist(), timeline.kinds[start:stop].tolist(), strict=True):
            if kind == Kind.ARRIVED:
                flight_id = self._arrivals.ids[row]
                await self._send(self._plan.outcomes, flight_id, self._arrivals.outcome(row))
                self._counts["outcomes"] += 1
                continue
            event = self._departures.event(row)
            flight_id = self._departures.ids[row]
            await self._send_event(flight_id, orjson.dumps(event), "")
            fault = self._faults.get(row)
            if fault is not None:
                flight_id += "-x"
                await self._send_event(flight_id, broken(fault, {**event, "flight_id": flight_id}), fault.value)
                self._counts["broken"] += 1

    async def _send_event(self, flight_id: str, value: bytes | None, fault: str) -> None:
        """Send, and note in the journal once it is acknowledged."""
        acknowledged = await self._send(self._plan.topic, flight_id, value)
        self._counts["events"] += 1

        def note(future: "asyncio.Future[object]") -> None:
            if not future.cancelled() and future.exception() is None:
                record = future.result()
                self._journal.add(Entry(record.partition, record.offset, flight_id, fault))  # type: ignore[attr-defined]

        acknowledged.add_done_callback(note)

    async def _send(self, topic: str, flight_id: str, value: bytes | None) -> "asyncio.Future[object]":
        partition = partition_of(flight_id, self._plan.partitions)
        future: asyncio.Future[object] = await self._producer.send(topic, value, flight_id.encode(), partition)
        self._sent.append(future)
        return future

    async def _acknowledged(self) -> None:
        """Every record sent so far is with the broker."""
        sent, self._sent = self._sent, []
        await asyncio.gather(*sent)

    async def _answered(self) -> None:
        """Every event sent so far has a prediction or a dead letter."""
        await self._acknowledged()
        await self._answers.reach(self._counts["events"])

    def _report(self, at: int, *, done: bool) -> None:
        timeline = self._timeline
        self._journal.flush()
        progress = ReplayProgress(
            now_ms=int(timeline.times_ms[at - 1]) if at else self._start_ms,
            start_ms=self._start_ms,
            end_ms=int(timeline.times_ms[-1]),
            total_events=len(self._departures.ids) + len(self._faults),
            done=done,
            **self._counts,
        )
        fresh = self._progress.with_suffix(".new")
        fresh.write_text(json.dumps(asdict(progress)), encoding="utf-8")
        fresh.replace(self._progress)


async def replay(plan: ReplayPlan) -> None:
    """Connect, replay, and leave."""
    directory = Path(plan.directory)
    producer = AIOKafkaProducer(bootstrap_servers=plan.bootstrap_servers, acks="all", linger_ms=1)
    answers = AnswerCount(
        plan.bootstrap_servers,
        (plan.predictions, plan.dead_letters),
        plan.partitions,
        fetch_max_wait_ms=plan.fetch_max_wait_ms,
    )
    with Journal(directory / "journal.tsv") as journal:
        await producer.start()
        try:
            await answers.start()
            try:
                await Replay(plan, producer, answers, journal).run()
            finally:
                await answers.stop()
        finally:
            await producer.stop()


if __name__ == "__main__":
    asyncio.run(replay(ReplayPlan.read(Path(sys.argv[1]))))
