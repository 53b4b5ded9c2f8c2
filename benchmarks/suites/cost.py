"""What drift detection and metrics cost: CPU seconds of the worker on the whole path, with and without them."""

from benchmarks.events import tabular
from benchmarks.measure import Bench, Contender, await_size, interleaved, running
from benchmarks.result import Result, Target
from benchmarks.suites.whole import USERS, whole_job
from benchmarks.usage import cpu_s, settled_cpu_s

ON, OFF = "with drift and metrics", "without"
_NONE = {"drift": {"enabled": False}, "metrics": {"enabled": False}}


def run(bench: Bench) -> Result:
    job_over = whole_job(bench, USERS)
    count, wake_up = bench.sized(300_000), 20_000
    contenders = [Contender("ours", ON, count), Contender("ours", OFF, count, _NONE)]

    def once(contender: Contender) -> float:
        source = bench.log.topic("in")
        job = job_over(source)
        with running(contender, job, bench.folder) as child:
            bench.log.fill(source, tabular(wake_up, USERS))
            await_size(bench.log, job.target, wake_up, child)
            settled_cpu_s(child.pid)
            before = cpu_s(child.pid)
            bench.log.fill(source, tabular(count, USERS))
            await_size(bench.log, job.target, wake_up + count, child)
            spent = settled_cpu_s(child.pid) - before
        bench.log.drop(source, job.target)
        return 1e6 * spent / count

    found = Result("CPU of drift and metrics", "µs per event", interleaved(bench.rounds, contenders, once))
    share = 100 * (1 - found.median(OFF) / found.median(ON))
    target = Target("share of the worker's CPU, per cent", share, 15, at_most=True)
    return Result(found.title, found.unit, found.figures, [target])
