"""One measurement: a contender in a process of its own reads a topic, and its output topic is read back and judged."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import orjson

from benchmarks.broker import Log, Written
from benchmarks.contenders.job import Job
from benchmarks.pipelines import write_pipeline
from streamapp.demo.child import ChildProcess, python

WARM_UP = 0.2
"""Share of the outputs, the first ones, that do not count."""
_POLL_S = 0.05
_LIMIT_S = 240.0

Scores = Mapping[str, Sequence[float]]
T = TypeVar("T")


class BenchmarkFailed(Exception):
    """A contender did not do its job; its figures would mean nothing."""


@dataclass(frozen=True, slots=True)
class Contender:
    """name: `ours` or a module of `benchmarks.contenders`; count: events per measurement, as slow ones get fewer;
    changes: laid over our pipeline file."""

    name: str
    label: str
    count: int
    changes: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Bench:
    """Where everything happens. rounds: how often each contender runs; scale: share of the full sizes."""

    log: Log
    folder: Path
    rounds: int
    scale: float

    def sized(self, count: int) -> int:
        return max(500, int(count * self.scale))

    def job(self, source: str, workload: str, model: Path, repository: str = "", second_model: str = "") -> Job:
        """A job with an output topic and a consumer group of its own."""
        target = self.log.topic("out")
        return Job(self.log.bootstrap_servers, source, target, target, str(model), workload, repository, second_model)

    def filled(self, counts: Iterable[int], values: Callable[[int], Iterable[bytes]]) -> dict[int, str]:
        """One input topic per size, all prefixes of the same events."""
        topics = {count: self.log.topic("in") for count in sorted(set(counts))}
        for count, topic in topics.items():
            self.log.fill(topic, values(count))
        return topics


@contextmanager
def running(contender: Contender, job: Job, folder: Path) -> Iterator[ChildProcess]:
    """The contender at work."""
    if contender.name == "ours":
        file = write_pipeline(folder / f"{job.target}.yaml", job, contender.changes)
        command = python("-m", "streamapp", "run", str(file), "--log-level", "warning")
    else:
        command = python("-m", f"benchmarks.contenders.{contender.name}", job.to_json())
    log = folder / f"{job.target}.log"
    with ChildProcess(command, log=log) as child:
        try:
            yield child
        except BenchmarkFailed as failed:
            raise BenchmarkFailed(f"{contender.label}: {failed}\n{log.read_text()[-3000:]}") from failed


def await_size(log: Log, topic: str, count: int, child: ChildProcess) -> None:
    """Return once `topic` holds `count` records."""
    deadline = time.monotonic() + _LIMIT_S
    while (size := log.size(topic)) < count:
        if child.wait(_POLL_S):
            raise BenchmarkFailed(f"ended with status {child.exit_status} after {size} of {count} records")
        if time.monotonic() > deadline:
            raise BenchmarkFailed(f"wrote {size} of {count} records in {_LIMIT_S:g} s")


def outputs(bench: Bench, contender: Contender, job: Job) -> list[Written]:
    """All outputs of a contender that finds its whole input waiting."""
    with running(contender, job, bench.folder) as child:
        await_size(bench.log, job.target, contender.count, child)
        records = bench.log.read(job.target, contender.count)
    bench.log.drop(job.target)
    return records


def rate(records: Sequence[Written]) -> float:
    """Outputs per second after the warm-up: those appended later than its last one, over the time they took."""
    times = np.sort(np.array([record.time_ms for record in records], np.int64))
    start = times[int(len(times) * WARM_UP)]
    after = int(np.count_nonzero(times > start))
    if not after:
        raise BenchmarkFailed("all outputs came at once: too few events to measure a rate")
    return float(after / ((times[-1] - start) / 1000))


def verify(records: Sequence[Written], count: int, expected: Scores) -> dict[str, list[float]]:
    """Every event answered exactly once, with the scores it should have where they are known; the scores by id."""
    answers: dict[str, list[float]] = {}
    for record in records:
        value = orjson.loads(record.value)
        answers[value["id"]] = list(value["scores"].values())
    if len(records) != count or len(answers) != count:
        raise BenchmarkFailed(f"{count} events, {len(records)} outputs, {len(answers)} ids")
    known = [key for key in expected if key in answers]
    found, right = (np.array([scores[key] for key in known]) for scores in (answers, expected))
    if not np.allclose(found, right, rtol=1e-4, atol=1e-5):
        raise BenchmarkFailed("the scores are not the model's")
    return answers


def interleaved(rounds: int, contenders: Sequence[Contender], once: Callable[[Contender], T]) -> dict[str, list[T]]:
    """Every contender once per round, so that a slow spell of the machine hits all of them."""
    found: dict[str, list[T]] = {contender.label: [] for contender in contenders}
    for number in range(rounds):
        for contender in contenders:
            value = once(contender)
            found[contender.label].append(value)
            shown = f"{value:,.1f}" if isinstance(value, float) else str(value)
            print(f"  round {number + 1}/{rounds}  {contender.label:<34} {shown}", flush=True)
    return found
