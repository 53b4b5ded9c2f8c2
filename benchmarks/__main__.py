"""`python -m benchmarks`: every suite in one run, a table on the terminal and JSON in a file."""

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from datetime import datetime, timezone
from pathlib import Path

from benchmarks.broker import broker
from benchmarks.measure import Bench, BenchmarkFailed
from benchmarks.result import Result, table, to_json
from benchmarks.suites import cache, cost, crayfish, delivery, inference, latency, memory, whole

SUITES = {
    "inference": inference.run,
    "whole": whole.run,
    "delivery": delivery.run,
    "crayfish": crayfish.run,
    "latency": latency.run,
    "cache": cache.run,
    "cost": cost.run,
    "memory": memory.run,
}


def main() -> int:
    """0 if every suite ran and every target was met."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the events, one round: does it run at all")
    parser.add_argument("--rounds", type=int, help="runs of every contender (5; 1 with --quick)")
    parser.add_argument("--only", nargs="+", choices=SUITES, default=list(SUITES), help="these suites alone")
    parser.add_argument("--embedded", action="store_true", help="the embedded broker even where Java is")
    parser.add_argument("--out", type=Path, default=Path("build/benchmarks.json"), help="where the JSON goes")
    arguments = parser.parse_args()
    os.environ.update({"OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"})
    results: list[Result] = []
    failed: list[str] = []
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="streamapp-bench-") as name:
        folder = Path(name)
        with broker(folder, embedded=arguments.embedded) as log:
            print(f"{log.name}; {machine()}")
            bench = Bench(log, folder, arguments.rounds or (1 if arguments.quick else 5), 0.1 if arguments.quick else 1)
            for suite in arguments.only:
                print(f"\n{suite}", flush=True)
                try:
                    results.append(SUITES[suite](bench))
                except BenchmarkFailed as error:
                    failed.append(suite)
                    print(f"  FAILED: {error}", flush=True)
                else:
                    print(table(results[-1]), flush=True)
            report = {"broker": log.name, "machine": machine(), "at": datetime.now(timezone.utc).isoformat()}
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps({**report, "results": [to_json(result) for result in results]}, indent=1))
    missed = [target.name for result in results for target in result.targets if not target.met]
    print(f"\n{time.monotonic() - began:.0f} s; results in {arguments.out}")
    print(f"failed: {failed or 'none'}; targets missed: {missed or 'none'}")
    return 1 if failed or missed else 0


def machine() -> str:
    """What this ran on."""
    return f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"


if __name__ == "__main__":
    sys.exit(main())
