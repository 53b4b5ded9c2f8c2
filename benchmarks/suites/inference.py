"""Inference only: decode, score, publish, against stock Faust, Quix Streams and the bare loop."""

from itertools import islice

import numpy as np
import orjson

from benchmarks.contenders.job import matrix, session
from benchmarks.events import tabular
from benchmarks.measure import Bench, Contender, interleaved, outputs, rate, verify
from benchmarks.models import TABULAR, write_model
from benchmarks.result import Result, Target

USERS = 10_000
OURS, BARE, QUIX, FAUST = "streamapp", "bare aiokafka loop", "Quix Streams", "Faust, one event at a time"


def run(bench: Bench) -> Result:
    model = bench.folder / "tabular.onnx"
    write_model(model, 8, TABULAR, "Sigmoid")
    contenders = [
        Contender("ours", OURS, bench.sized(400_000)),
        Contender("bare", BARE, bench.sized(400_000)),
        Contender("quix", QUIX, bench.sized(80_000)),
        Contender("faust_per_event", FAUST, bench.sized(8_000)),
    ]
    topics = bench.filled((c.count for c in contenders), lambda count: tabular(count, USERS))
    expected = _scores(str(model), max(topics))

    def once(contender: Contender) -> float:
        records = outputs(bench, contender, bench.job(topics[contender.count], "tabular", model))
        verify(records, contender.count, expected)
        return rate(records)

    found = Result("Inference only", "events/s", interleaved(bench.rounds, contenders, once))
    bench.log.drop(*topics.values())
    targets = [
        Target("streamapp / Faust, one event at a time", found.ratio(OURS, FAUST), 25),
        Target("streamapp / Quix Streams", found.ratio(OURS, QUIX), 3),
        Target("streamapp / bare loop", found.ratio(OURS, BARE), 0.7),
    ]
    return Result(found.title, found.unit, found.figures, targets)


def _scores(model: str, count: int) -> dict[str, list[float]]:
    """What the model says, by event id."""
    scorer, events, found = session(model), tabular(count, USERS), {}
    while chunk := [orjson.loads(value) for value in islice(events, 10_000)]:
        scores: np.ndarray = scorer.run(["y"], {"x": matrix(chunk, "tabular")})[0]
        found.update(zip([event["id"] for event in chunk], scores.tolist(), strict=True))
    return found
