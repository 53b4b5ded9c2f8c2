"""The broker goes away between a worker's look at the topics and its consumer's first connection."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from streamapp.demo.broker import EmbeddedBroker
from streamapp.kafka.worker import Worker
from tests.brokers import ApacheKafka
from tests.integration.stub_worker import EchoPath
from tests.integration.worker_cases import Bench

SOON_S = 30.0
AWAY = "The broker does not answer any more, trying again"


@contextmanager
def as_its_consumer_starts(act: Callable[[], None]) -> Iterator[None]:
    """Within, `act` is called, once, in that moment of a worker."""
    done: list[logging.LogRecord] = []

    class Acts(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if not done:
                done.append(record)
                act()

    monitor, acts = logging.getLogger("faust.sensors.monitor"), Acts()
    level = monitor.level
    monitor.addHandler(acts)
    monitor.setLevel(logging.INFO)
    try:
        yield
    finally:
        monitor.removeHandler(acts)
        monitor.setLevel(level)
    assert done, "no worker came that far"


async def until_said(caplog: pytest.LogCaptureFixture, text: str) -> None:
    deadline_s = time.monotonic() + SOON_S
    while text not in caplog.text:
        assert time.monotonic() < deadline_s, f"nobody said {text!r}"
        await asyncio.sleep(0.01)


async def test_a_worker_that_is_stopped_meanwhile_ends_in_order(
    tmp_path: Path, topic: Callable[[str], str], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streamapp.kafka.worker.LEAVE_S", 0.5)
    with EmbeddedBroker() as broker:
        bench = Bench(broker.bootstrap_servers, tmp_path, topic)
        await bench.create()
        worker = Worker(bench.parsed(), EchoPath(bench.predictions))
        running = asyncio.ensure_future(worker.run())
        with as_its_consumer_starts(broker.stop):
            await until_said(caplog, AWAY)
            worker.stop()
            await asyncio.wait_for(running, SOON_S)
    assert "crashed" not in caplog.text.lower()
    assert "Event loop is closed" not in caplog.text
    assert [record for record in caplog.records if record.exc_info] == []


async def test_a_worker_waits_for_the_broker_to_come_back(
    kafka_broker: ApacheKafka, tmp_path: Path, topic: Callable[[str], str], caplog: pytest.LogCaptureFixture
) -> None:
    bench = Bench(kafka_broker.bootstrap_servers, tmp_path, topic)
    await bench.create()
    await bench.feed(40)
    worker = Worker(bench.parsed(), EchoPath(bench.predictions))
    running = asyncio.ensure_future(worker.run())
    with as_its_consumer_starts(kafka_broker.kill):
        await until_said(caplog, AWAY)
    await asyncio.get_running_loop().run_in_executor(None, kafka_broker.start)
    assert len(await bench.answers(40)) == 40
    worker.stop()
    await running
