"""A case's stage: one pipeline on a broker, its feeders, workers and reader, and what is done to them."""

import asyncio
import signal
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Any
from uuid import uuid4

from aiokafka.admin import AIOKafkaAdminClient

from tests.faults import oracle
from tests.faults.answers import dead_letter, prediction
from tests.faults.feeder import Feeder
from tests.faults.journal import Journal
from tests.faults.modes import AT_LEAST_ONCE, EXACTLY_ONCE
from tests.faults.oracle import History, Numbered, Snapshot, Verdict
from tests.faults.size import Size
from tests.faults.watcher import Watcher
from tests.faults.workers import PATIENCE_S, Plant, Worker
from tests.faults.workplace import COMMIT_S, DRAIN_S, IN_FLIGHT_ROWS, lay_out, merged, settings, write_pipeline
from tests.kafka_io import create_topics, read_all

_LOOK_AGAIN_S = 0.02
LEAVE_S = 10.0
"""For committing and leaving the group, on top of draining (`streamapp.kafka.worker.LEAVE_S`)."""


class Stage:
    """Use as an asynchronous context; `finish` gives the verdict.

    bug: planted in every worker that `worker` starts, for controls. overrides: sections of pipeline.yaml, merged.
    """

    def __init__(
        self,
        bootstrap_servers: str,
        folder: Path,
        *,
        delivery: str,
        size: Size,
        random: Random,
        bug: Plant | None = None,
        partitions: int = 2,
        overrides: Mapping[str, Any] | None = None,
        topic_config: Mapping[str, str] | None = None,
    ) -> None:
        self.bootstrap_servers, self.folder, self.partitions = bootstrap_servers, folder, partitions
        self.delivery, self.size, self.random, self.bug = delivery, size, random, bug
        self._topic_config = topic_config
        mark = uuid4().hex[:10]
        self.events, self.predictions = f"events-{mark}", f"predictions-{mark}"
        self.dead_letters, self.group = f"dead-letters-{mark}", f"group-{mark}"
        document = settings(bootstrap_servers, self.group, self.events, self.predictions, self.dead_letters)
        if delivery != AT_LEAST_ONCE:
            document["delivery"] = delivery
        self.document = merged(document, overrides or {})
        self.pipeline = folder / "pipeline.yaml"
        self.journal = Journal()
        self.workers: list[Worker] = []
        self.snapshots: list[Snapshot] = []
        self.findings: defaultdict[str, list[str]] = defaultdict(list)
        self.figures: dict[str, float] = {}
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> "Stage":
        self.folder.mkdir(parents=True, exist_ok=True)
        lay_out(self.folder)
        write_pipeline(self.pipeline, self.document)
        names = [self.events, self.predictions, self.dead_letters]
        await create_topics(self.bootstrap_servers, dict.fromkeys(names, self.partitions), config=self._topic_config)
        self._stack.callback(self._end_workers)
        self._admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap_servers)
        self._stack.push_async_callback(self._admin.close)
        await self._admin.start()
        self.watcher = await self._stack.enter_async_context(
            Watcher(
                self.bootstrap_servers,
                self.predictions,
                self.dead_letters,
                self.partitions,
                committed_only=self.delivery == EXACTLY_ONCE,
            )
        )
        self.feeder = await self.new_feeder("p0")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    # What a case does.

    async def new_feeder(self, name: str, keys: int = 12) -> Feeder:
        """Another producer, with keys of its own, into the same journal."""
        return await self._stack.enter_async_context(
            Feeder(self.bootstrap_servers, self.events, self.partitions, self.journal, name=name, keys=keys)
        )

    def worker(self, *plants: Plant, pipeline: Path | None = None, pause_s: float = 0.0, hold: bool = False) -> Worker:
        """Start one more worker: with the stage's bug and `plants` in it, and its gate set before it starts."""
        planted = [*plants, *([self.bug] if self.bug else [])]
        worker = Worker(len(self.workers), pipeline or self.pipeline, planted)
        self.workers.append(worker)
        if pause_s:
            worker.gate.slow(pause_s)
        if hold:
            worker.gate.hold()
        worker.start()
        return worker

    async def kill(self, worker: Worker) -> Snapshot:
        """SIGKILL, and what the broker holds then."""
        worker.end()
        return await self.snapshot(f"kill of worker {worker.number}", excuses_workers=1)

    async def freeze(self, worker: Worker) -> Snapshot:
        """SIGSTOP, and what the broker holds then."""
        worker.signal(signal.SIGSTOP)
        return await self.snapshot(f"freeze of worker {worker.number}", excuses_workers=1)

    def thaw(self, worker: Worker) -> None:
        """SIGCONT."""
        worker.signal(signal.SIGCONT)

    async def stop(self, worker: Worker, within_s: float = PATIENCE_S) -> tuple[int | None, float]:
        """SIGTERM: exit status (None if it still runs after `within_s`) and seconds taken. Nothing is excused."""
        began_s = time.monotonic()
        worker.signal(signal.SIGTERM)
        await self.until(lambda: not worker.running, within_s)
        took_s = time.monotonic() - began_s
        if not worker.running:
            worker.end()
        await self.snapshot(f"stop of worker {worker.number}")
        return worker.child.exit_status, took_s

    async def snapshot(self, what: str, excuses_workers: int = 0) -> Snapshot:
        """Remember commits and ends. The order matters: what is committed must have its answer before.

        excuses_workers: of how many workers the disturbance may repeat what was in flight, at least once: their
        batches in flight, and what was answered within two commit intervals before.
        """
        at_s, at_ms = time.monotonic(), int(time.time() * 1000)
        committed = await self.committed()
        ends = await self.watcher.ends()
        rows, uncommitted_s = excuses_workers * IN_FLIGHT_ROWS, 2 * COMMIT_S if excuses_workers else 0.0
        snapshot = Snapshot(what, at_s, at_ms, committed, ends, rows, uncommitted_s)
        self.snapshots.append(snapshot)
        return snapshot

    async def committed(self) -> dict[Numbered, int]:
        """Input partition -> committed offset; absent where there is none."""
        found = await self._admin.list_consumer_group_offsets(self.group)
        return {(tp.topic, tp.partition): at.offset for tp, at in found.items() if at.offset >= 0}

    async def members(self) -> frozenset[str]:
        """Ids of the group's members. A worker that lost its membership comes back with another id."""
        (answer,) = await self._admin.describe_consumer_groups([self.group])
        (group,) = answer.to_object()["groups"]
        return frozenset(member["member_id"] for member in group["members"])

    async def until(self, holds: Callable[[], bool], within_s: float = PATIENCE_S) -> bool:
        """Whether `holds` came true in time."""
        deadline_s = time.monotonic() + within_s
        while not holds():
            if time.monotonic() > deadline_s:
                return False
            if (failure := self.watcher.failed()) is not None:
                raise failure
            await asyncio.sleep(_LOOK_AGAIN_S)
        return True

    async def until_answered(self, events: int, within_s: float = PATIENCE_S) -> None:
        """Return once that many inputs have an answer; a finding `stuck` if they don't get it in time."""
        await self.until(lambda: len(self.watcher.answered) >= events or self._nobody_works(), within_s)
        if len(self.watcher.answered) < events:
            self.find(oracle.STUCK, f"{len(self.watcher.answered)} of {events} answered after {within_s:.0f} s or less")

    async def recovery_s(self, since: Snapshot, within_s: float, figure: str = "recovery_s") -> float:
        """Seconds from a disturbance until every partition gave a new answer, written after it; a finding `stuck`
        and `within_s` where one does not. Feed all partitions meanwhile. The longest is kept as `figure`."""
        before = {answer.place for answer in self.watcher.answers if answer.at.offset < since.ends[answer.at[:2]]}
        first_s: dict[int, float] = {}
        looked = 0

        def all_back() -> bool:
            nonlocal looked
            answers = self.watcher.answers
            for i in range(looked, len(answers)):
                at, place = answers[i].at, answers[i].place
                if at.offset >= since.ends[at[:2]] and place not in before:
                    first_s.setdefault(place.partition, self.watcher.arrived_s[i])
            looked = len(answers)
            return len(first_s) == self.partitions

        if not await self.until(all_back, within_s):
            self.find(oracle.STUCK, f"{since.what}: partitions {sorted(first_s)} back after {within_s:.1f} s")
            return within_s
        took_s = max(first_s.values()) - since.at_s
        self.figures[figure] = max(took_s, self.figures.get(figure, 0.0))
        return took_s

    def find(self, kind: str, text: str) -> None:
        """Something is wrong that only the case can see."""
        self.findings[kind].append(text)

    async def finish(self, within_s: float = PATIENCE_S) -> Verdict:
        """Wait until the group has committed all input, stop every worker, read the outputs and judge."""
        await self.feeder.stop()
        await self._settled(within_s)
        for worker in self.workers:
            if worker.frozen:
                self.thaw(worker)
        await self._stop_all()
        verdict = oracle.judge(await self.history(), self.findings)
        kills = sum(snapshot.what.startswith("kill") for snapshot in self.snapshots)
        figures = {"kills": kills, **self.figures}
        return Verdict(verdict.events, verdict.findings, verdict.repeats, verdict.bound, figures)

    async def history(self) -> History:
        """All that is known now."""
        committed_only = self.delivery == EXACTLY_ONCE
        predictions = await read_all(self.bootstrap_servers, self.predictions, committed_only=committed_only)
        letters = await read_all(self.bootstrap_servers, self.dead_letters, committed_only=committed_only)
        return History(
            dict(self.journal.acknowledged),
            frozenset(self.journal.attempted),
            [prediction(record) for record in predictions],
            [dead_letter(record) for record in letters],
            tuple(self.snapshots),
            tuple(self.watcher.answers),
            committed_only,
        )

    async def until_committed(self, events: int, within_s: float = PATIENCE_S) -> None:
        """Return once the group has committed that many inputs; a finding `stuck` if it does not in time."""
        deadline_s = time.monotonic() + within_s
        while True:
            committed = await self.committed()
            if sum(committed.values()) >= events:
                return
            if time.monotonic() > deadline_s:
                self.find(oracle.STUCK, f"committed {committed} of {events} events after {within_s:.0f} s")
                return
            await asyncio.sleep(0.05)

    async def _settled(self, within_s: float) -> None:
        ends: dict[Numbered, int] = {}
        for place in self.journal.acknowledged:
            ends[place[:2]] = max(ends.get(place[:2], 0), place.offset + 1)
        deadline_s = time.monotonic() + within_s
        while True:
            committed = await self.committed()
            if all(committed.get(partition, 0) >= end for partition, end in ends.items()):
                return
            if time.monotonic() > deadline_s or self._nobody_works():
                self.find(oracle.STUCK, f"committed {committed} of {ends} after {within_s:.0f} s")
                return
            await asyncio.sleep(0.1)

    async def _stop_all(self) -> None:
        for worker in self.workers:
            if worker.running:
                worker.signal(signal.SIGTERM)
        if not await self.until(self._nobody_works, DRAIN_S + LEAVE_S):
            left = [worker.number for worker in self.workers if worker.running]
            self.find(oracle.STUCK, f"workers {left} did not end")
        self._end_workers()
        await self.snapshot("the end")

    def _nobody_works(self) -> bool:
        return not any(worker.running for worker in self.workers)

    def _end_workers(self) -> None:
        for worker in self.workers:
            worker.end()


def tails(workers: Sequence[Worker], lines: int = 25) -> str:
    """The ends of the workers' logs."""
    return "\n".join(
        "\n".join([f"-- worker {worker.number}", *worker.said().splitlines()[-lines:]]) for worker in workers
    )
