"""Crayfish's FFNN workload: 784 float32 as one comma-separated string; the output repeats the input.

Horchidan, Chen, Kritharakis, Carbone and Kalavri, "Crayfish: Navigating the Labyrinth of Machine Learning Inference in
Stream Processing Systems", EDBT 2024. The load is released onto a running worker and is more than it can take.
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import islice

import numpy as np
import orjson

from benchmarks.broker import Written
from benchmarks.contenders.job import matrix, session
from benchmarks.events import pixels
from benchmarks.measure import Bench, BenchmarkFailed, Contender, await_size, interleaved, running, verify
from benchmarks.models import FFNN, write_model
from benchmarks.pipelines import CAN_REPEAT_EVENT
from benchmarks.result import Result, Target

OURS, QUIX = "streamapp", "Quix Streams + np.fromstring"
WAKE_UP = 200
DROPPED = 0.25
"""Share of the events, the first ones, that Crayfish's analysis strips as warm-up."""
PUBLISHED = (
    "Published by Crayfish on other hardware, not comparable: Kafka Streams + ONNX 2 054/s, Flink + ONNX 1 373/s."
)

NOT_REPEATED = "Neither contender repeated the input in its output: this version of streamapp cannot."


def run(bench: Bench) -> Result:
    model = bench.folder / "ffnn.onnx"
    write_model(model, 784, FFNN, "Softmax")
    contenders = [
        Contender("ours", OURS, bench.sized(30_000)),
        Contender("quix", QUIX, bench.sized(10_000)),
    ]
    scorer = session(str(model))
    events = [orjson.loads(value) for value in islice(pixels(512), 512)]
    scores = scorer.run(["y"], {"x": matrix(events, "pixels")})[0].tolist()
    most = max(contender.count for contender in contenders) + WAKE_UP
    expected = {f"e{number:08d}": scores[number % 512] for number in range(most)}

    def once(contender: Contender) -> tuple[float, float]:
        source = bench.log.topic("in")
        job = replace(bench.job(source, "pixels", model), repeat_event=CAN_REPEAT_EVENT)
        count = contender.count + WAKE_UP
        stream = pixels(count)
        with running(contender, job, bench.folder) as child:
            bench.log.fill(source, islice(stream, WAKE_UP))
            await_size(bench.log, job.target, WAKE_UP, child)
            bench.log.fill(source, stream)
            await_size(bench.log, job.target, count, child)
        records = bench.log.read(job.target, count)
        verify(records, count, expected)
        if ("event" in orjson.loads(records[-1].value)) != CAN_REPEAT_EVENT:
            raise BenchmarkFailed(f"{contender.label} did not repeat the input as it was told to")
        found = formulas(bench.log.read(source, count), records)
        bench.log.drop(source, job.target)
        return found

    both = interleaved(bench.rounds, contenders, once)
    figures = {
        f"{label}, {name}": [pair[index] for pair in pairs]
        for label, pairs in both.items()
        for index, name in enumerate(("first input to last output", "first to last output"))
    }
    found = Result("Crayfish, FFNN, one inference thread", "events/s", figures)
    targets = [
        Target(f"streamapp / Quix Streams, {name}", found.ratio(f"{OURS}, {name}", f"{QUIX}, {name}"), 2)
        for name in ("first input to last output", "first to last output")
    ]
    notes = [PUBLISHED] if CAN_REPEAT_EVENT else [PUBLISHED, NOT_REPEATED]
    return Result(found.title, found.unit, figures, targets, notes)


def formulas(sent: Sequence[Written], received: Sequence[Written]) -> tuple[float, float]:
    """Both throughputs over the events after the wake-up and after the first quarter, in the order they were sent.

    From the first event's arrival in the input topic to the last output (Crayfish's analysis script), and
    between the first and the last output.
    """
    started = {orjson.loads(record.value)["id"]: record.time_ms for record in sent}
    ended = {orjson.loads(record.value)["id"]: record.time_ms for record in received}
    order = sorted(started)[WAKE_UP:]
    kept = order[int(len(order) * DROPPED) :]
    start = np.array([started[key] for key in kept])
    end = np.array([ended[key] for key in kept])
    return (
        float(len(kept) / ((end.max() - start.min()) / 1000)),
        float(len(kept) / ((end.max() - end.min()) / 1000)),
    )
