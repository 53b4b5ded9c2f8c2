"""Broker to broker: from the input's append time to the output's, at 1 000 events/s."""

import numpy as np
import orjson

from benchmarks.events import tabular
from benchmarks.measure import Bench, Contender, await_size, interleaved, running
from benchmarks.models import TABULAR, write_model
from benchmarks.pipelines import QUEUE_DELAY_US
from benchmarks.result import Result, Target

OURS, BARE = "streamapp", "bare aiokafka loop"
PER_S = 1000
WARM_UP_S = 2


def run(bench: Bench) -> Result:
    model = bench.folder / "tabular.onnx"
    write_model(model, 8, TABULAR, "Sigmoid")
    count = bench.sized(12_000) + PER_S * WARM_UP_S
    contenders = [Contender("ours", OURS, count), Contender("bare", BARE, count)]

    def once(contender: Contender) -> tuple[float, float]:
        source = bench.log.topic("in")
        job = bench.job(source, "tabular", model)
        stream = tabular(count, 10_000)
        with running(contender, job, bench.folder) as child:
            bench.log.fill(source, [next(stream) for _ in range(100)])
            await_size(bench.log, job.target, 100, child)
            bench.log.fill(source, stream, per_s=PER_S)
            await_size(bench.log, job.target, count, child)
        arrived = {(r.partition, r.offset): r.time_ms for r in bench.log.read(source, count)}
        waits = []
        for record in bench.log.read(job.target, count):
            value = orjson.loads(record.value)
            came = arrived[value["source"]["partition"], value["source"]["offset"]]
            if int(value["id"][1:]) >= PER_S * WARM_UP_S:
                waits.append(record.time_ms - came)
        bench.log.drop(source, job.target)
        return float(np.percentile(waits, 50)), float(np.percentile(waits, 99))

    both = interleaved(bench.rounds, contenders, once)
    figures = {
        f"{label}, p{name}": [pair[index] for pair in pairs]
        for label, pairs in both.items()
        for index, name in enumerate((50, 99))
    }
    found = Result(f"Latency, broker to broker, at {PER_S} events/s", "ms", figures)
    limit = 2 * found.median(f"{BARE}, p99") + QUEUE_DELAY_US / 1000
    target = Target(
        "streamapp p99, against 2 x the bare loop's + max_queue_delay", found.median(f"{OURS}, p99"), limit, True
    )
    return Result(found.title, found.unit, figures, [target])
