"""A worker process whose model hangs, whose loop is blocked, or whose store or broker is down: which of them end."""

import json
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from streamapp.demo.broker import EmbeddedBroker
from streamapp.demo.child import ChildProcess
from streamapp.kafka.watch import STUCK
from tests.integration.worker_cases import SCRIPT, Bench

LIMIT_S = 2.0
PATIENCE_S = 40.0

BLOCKED_LOOP = f"""
import runpy, sys, time
from streamapp.kafka.worker import Worker
vars(Worker)["commit"]  # fails loudly where there is nothing to replace
Worker.commit = lambda self: time.sleep(600)
sys.argv = [{str(SCRIPT)!r}, *sys.argv[1:]]
runpy.run_path({str(SCRIPT)!r}, run_name="__main__")
"""


@pytest.fixture
async def bench(embedded_broker: EmbeddedBroker, tmp_path: Path, topic: Callable[[str], str]) -> AsyncIterator[Bench]:
    # The embedded broker lets a join take half the session timeout.
    short = {"session.timeout.ms": 2000, "heartbeat.interval.ms": 400}
    found = Bench(embedded_broker.bootstrap_servers, tmp_path, topic, short)
    await found.create()
    yield found
    found.close()


def watched(limit_s: float = LIMIT_S) -> dict[str, object]:
    return {"worker": {"drain_s": 5, "commit_interval_s": 0.2, "progress_timeout_s": limit_s}}


def ended(worker: ChildProcess) -> int | None:
    assert worker.wait(PATIENCE_S)
    return worker.exit_status


async def test_a_model_that_hangs_ends_the_process_and_its_batch_is_done_again(bench: Bench) -> None:
    await bench.feed(40)
    hangs = bench.start(watched(), slow_s=600)
    assert ended(hangs) == STUCK
    said = bench.said(hangs)
    assert f"{bench.events} 0 stands at offset 0 for 2 s: records are not answered" in said
    assert "stub_worker.py" in said.split("where the threads stand", 1)[1]
    bench.start(watched())
    assert len(await bench.answers(40)) == 40


async def test_a_blocked_event_loop_ends_the_process(bench: Bench) -> None:
    await bench.feed(40)
    job = json.dumps({"settings": bench.settings(**watched())})
    log = bench.folder / "blocked.log"
    worker = ChildProcess([sys.executable, "-c", BLOCKED_LOOP, job], log=log)
    bench.workers.append(worker)
    assert ended(worker) == STUCK
    assert "the event loop has not answered for" in log.read_text()


async def test_a_store_that_is_down_for_longer_than_the_limit_ends_nothing(bench: Bench) -> None:
    down = bench.folder / "store-is-down"
    down.touch()
    await bench.feed(40)
    waits = bench.start(watched(), retry_file=str(down))
    bench.wait_until_said(waits, "the store is down (stub)")
    began_s = time.monotonic()
    while time.monotonic() - began_s < 4 * LIMIT_S:
        assert not waits.wait(0.1), bench.said(waits)
    down.unlink()
    assert len(await bench.answers(40)) == 40
