"""The whole path: validation, two variants with a feature service each on SQLite, drift, metrics."""

from collections.abc import Callable

from benchmarks.contenders.job import Job
from benchmarks.events import tabular
from benchmarks.measure import Bench, Contender, interleaved, outputs, rate, verify
from benchmarks.models import TABULAR, write_model
from benchmarks.result import Result, Target
from benchmarks.store import make_repository

USERS = 10_000
OURS, BARE, FEAST = "streamapp, whole path", "bare loop, inference only", "Faust + get_online_features per event"


def whole_job(bench: Bench, users: int) -> Callable[[str], Job]:
    """Makes the models and the feature store; the job over an input topic."""
    repository = bench.folder / f"features-{users}"
    small, large = bench.folder / "small.onnx", bench.folder / "large.onnx"
    if not repository.exists():
        write_model(small, 12, TABULAR, "Sigmoid")
        write_model(large, 16, TABULAR, "Sigmoid")
        make_repository(repository, users)
    return lambda source: bench.job(source, "whole", small, str(repository), str(large))


def run(bench: Bench) -> Result:
    job = whole_job(bench, USERS)
    plain = bench.folder / "plain.onnx"
    write_model(plain, 8, TABULAR, "Sigmoid")
    contenders = [
        Contender("faust_feast", FEAST, bench.sized(2_000)),
        Contender("ours", OURS, bench.sized(300_000)),
        Contender("bare", BARE, bench.sized(400_000)),
    ]
    topics = bench.filled((c.count for c in contenders), lambda count: tabular(count, USERS))
    known: dict[str, list[float]] = {}

    def once(contender: Contender) -> float:
        source = topics[contender.count]
        bare = contender.name == "bare"
        records = outputs(bench, contender, bench.job(source, "tabular", plain) if bare else job(source))
        answers = verify(records, contender.count, {} if bare else known)
        if not bare and not known:
            known.update(answers)
        return rate(records)

    found = Result("The whole path", "events/s", interleaved(bench.rounds, contenders, once))
    bench.log.drop(*topics.values())
    targets = [
        Target("streamapp / Faust + get_online_features", found.ratio(OURS, FEAST), 10),
        Target("streamapp, whole path / bare loop, inference only", found.ratio(OURS, BARE), 0.3),
    ]
    return Result(found.title, found.unit, found.figures, targets)
