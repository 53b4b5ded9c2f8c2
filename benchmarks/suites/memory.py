"""Memory of one worker without torch: 200 000 cached entities, over 1 000 000 events on the whole path."""

from itertools import islice

from benchmarks.events import sweeping
from benchmarks.measure import Bench, Contender, await_size, running
from benchmarks.result import Result, Target
from benchmarks.suites.whole import whole_job
from benchmarks.usage import rss_mb

PARTS = 10


def run(bench: Bench) -> Result:
    """Events arrive in ten parts; memory is read after each. The first two parts touch every entity."""
    users, count = bench.sized(200_000), bench.sized(1_000_000)
    source = bench.log.topic("in")
    job = whole_job(bench, users)(source)
    contender = Contender("ours", "streamapp", count)
    part, seen = count // PARTS, []
    stream = sweeping(part * PARTS, users)
    with running(contender, job, bench.folder) as child:
        for number in range(PARTS):
            bench.log.fill(source, islice(stream, part))
            await_size(bench.log, job.target, part * (number + 1), child)
            seen.append(rss_mb(child.pid))
            print(f"  {part * (number + 1):>9,} events  {seen[-1]:8.1f} MB", flush=True)
    bench.log.drop(source, job.target)
    targets = [
        Target(f"peak after {count:,} events with {users:,} cached entities, MB", max(seen), 500, at_most=True),
        Target("growth over the second half, MB", max(seen[PARTS // 2 :]) - seen[PARTS // 2 - 1], 25, at_most=True),
    ]
    return Result("Memory of one worker", "MB", {"streamapp, after each tenth": seen}, targets)
