"""The time-lapse: a process that publishes flights, weather and outcomes in the order in which they became known.

`python -m streamapp.demo.replay <replay.json>`
"""

import asyncio
import sys
import time
from pathlib import Path

import orjson
import pandas as pd
from aiokafka import AIOKafkaProducer

from streamapp.demo.answers import AnswerCount
from streamapp.demo.events import Arrivals, Departures, milliseconds, partition_of
from streamapp.demo.faults import KINDS, broken, draw
from streamapp.demo.journal import Entry, Journal
from streamapp.demo.plan import ReplayPlan, ReplayProgress
from streamapp.demo.scrape import scrape
from streamapp.demo.store import OnlineStore
from streamapp.demo.timeline import Kind, Pace, Timeline, merge
from streamapp.errors import DependencyError

_PROGRESS_S = 0.25
_BURST = 512
_AHEAD_S = 0.025
"""What is due this soon goes out together, so that time-lapse does not mean a record batch per event."""
_WORKER_WAIT_S = 90.0
_ASK_AGAIN_S = 0.1


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
        sources = directory / "feature_repo" / "data"
        weather = pd.read_parquet(sources / "weather.parquet")
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
        self._store = OnlineStore(directory / "feature_repo")
        self._store.fill(pd.read_parquet(sources / "planes.parquet"), weather, start)
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
                await asyncio.to_thread(self._store.measured, self._measured[timeline.rows[at]])
                self._counts["measurements"] += 1
                stop = at + 1
            else:
                stop = min(timeline.until(at, pace.now_ms(time.monotonic() + _AHEAD_S)), at + _BURST)
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
        progress.write(self._progress)


async def replay(plan: ReplayPlan) -> None:
    """Connect, wait for the worker, replay, and leave."""
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
                timelapse = Replay(plan, producer, answers, journal)
                await _worker_is_ready(plan)
                await timelapse.run()
            finally:
                await answers.stop()
        finally:
            await producer.stop()


async def _worker_is_ready(plan: ReplayPlan) -> None:
    """Return once a worker holds partitions of the events' topic. Raises `DependencyError` after `_WORKER_WAIT_S`."""
    deadline_s = time.monotonic() + _WORKER_WAIT_S
    while time.monotonic() < deadline_s:
        page = await asyncio.to_thread(scrape, plan.metrics_port)
        if page is not None and page.has("streamapp_consumer_lag_records", topic=plan.topic):
            return
        await asyncio.sleep(_ASK_AGAIN_S)
    raise DependencyError(f"no worker took partitions of {plan.topic} within {_WORKER_WAIT_S:g} s")


if __name__ == "__main__":
    asyncio.run(replay(ReplayPlan.read(Path(sys.argv[1]))))
