"""What exactly once costs: the whole path in either delivery, at the default commit interval."""

from benchmarks.events import tabular
from benchmarks.measure import Bench, Contender, interleaved, outputs, rate, verify
from benchmarks.result import Result, Target
from benchmarks.suites.whole import USERS, whole_job

AT_LEAST, EXACTLY = "at least once", "exactly once"


def run(bench: Bench) -> Result:
    job = whole_job(bench, USERS)
    count = bench.sized(400_000)
    contenders = [
        Contender("ours", AT_LEAST, count),
        Contender("ours", EXACTLY, count, {"delivery": "exactly_once"}),
    ]
    topics = bench.filled([count], lambda size: tabular(size, USERS))
    known: dict[str, list[float]] = {}

    def once(contender: Contender) -> float:
        records = outputs(bench, contender, job(topics[count]))
        answers = verify(records, count, known)
        known.update(answers)
        return rate(records)

    found = Result("Delivery, the whole path", "events/s", interleaved(bench.rounds, contenders, once))
    bench.log.drop(*topics.values())
    return Result(
        found.title,
        found.unit,
        found.figures,
        [Target("exactly once / at least once", found.ratio(EXACTLY, AT_LEAST), 0.75)],
    )
