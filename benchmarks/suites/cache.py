"""Reading features for cached entities against `get_online_features` (benchmarks/features.py, in its own process)."""

import re
import subprocess

from benchmarks.measure import Bench, BenchmarkFailed
from benchmarks.result import Result, Target
from streamapp.demo.child import python


def run(bench: Bench) -> Result:
    command = python("-m", "benchmarks.features", f"--rounds={max(5, bench.rounds)}")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    print(done.stdout)
    rates = dict(
        re.findall(r"^(get_online_features|enrich, cached) .* ms +([\d,]+) rows/s$", done.stdout, re.MULTILINE)
    )
    if done.returncode or len(rates) != 2:
        raise BenchmarkFailed(f"benchmarks.features ended with {done.returncode}:\n{done.stderr[-2000:]}")
    figures = {name: [float(value.replace(",", ""))] for name, value in rates.items()}
    found = Result("Reading features, 256 entities, SQLite", "rows/s", figures)
    target = Target("cached / get_online_features", found.ratio("enrich, cached", "get_online_features"), 10)
    return Result(found.title, found.unit, figures, [target])
