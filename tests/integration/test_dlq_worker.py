"""Dead letters sent back to a worker that is at work, on real Kafka."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import orjson
import pytest
from aiokafka import ConsumerRecord

from streamapp.clock import SystemClock
from streamapp.config.load import load_pipeline
from streamapp.decode import build_decoder
from streamapp.dlq.choose import Fate
from streamapp.dlq.filters import LetterFilter
from streamapp.dlq.look import find_letters
from streamapp.encode import build_encoder, build_json_encoder
from streamapp.kafka.worker import Worker
from streamapp.pipeline import Pipeline
from streamapp.route import HashRouter, Share
from tests.brokers import ApacheKafka
from tests.integration.dlq_cases import PARTITIONS, Desk, flight, ids
from tests.kafka_io import Outgoing, create_topics, produce, read_all
from tests.unit.test_lateness import Seen

PATIENCE_S = 40.0


@pytest.fixture
async def desk(kafka_broker: ApacheKafka, tmp_path: Path, topic: Callable[[str], str]) -> Desk:
    found = Desk(kafka_broker.bootstrap_servers, tmp_path, topic, transactions=True)
    await found.create()
    await create_topics(found.servers, {f"{found.source}-out": PARTITIONS})
    return found


@asynccontextmanager
async def at_work(desk: Desk, most: int, delivery: str) -> AsyncIterator[None]:
    """A worker with the real decoder and encoder and a model that always answers 0.9."""
    changes = [f"delivery={delivery}", "kafka.isolation.level=read_committed", "metrics.enabled=false"]
    settings = load_pipeline(desk.pipeline(most), changes)
    seen = Seen()
    path = Pipeline(
        settings,
        decoder=build_decoder(settings.source, settings.event, desk.folder),
        router=HashRouter("p", [Share(name, v.weight, v.shadow) for name, v in settings.variants.items()]),
        enricher=seen,
        inferrer=seen,
        encoder=build_encoder(settings),
        readable=build_json_encoder(settings),
        clock=SystemClock(),
    )
    worker = Worker(settings, path)
    running = asyncio.ensure_future(worker.run())
    try:
        yield
    finally:
        worker.stop()
        await running


async def until(desk: Desk, topic: str, count: int) -> list[ConsumerRecord]:
    """The committed records of `topic`, once there are `count` of them."""
    deadline = time.monotonic() + PATIENCE_S
    while len(found := await read_all(desk.servers, topic, committed_only=True)) < count:
        assert time.monotonic() < deadline, f"{len(found)} of {count} records in {topic}"
    return found


@pytest.mark.parametrize("delivery", ["at_least_once", "exactly_once"])
async def test_events_come_back_to_a_worker_at_work(desk: Desk, delivery: str) -> None:
    events = [flight(i, 500 if i % 4 == 0 else 50) for i in range(20)]
    await produce(desk.servers, desk.source, [Outgoing(e, b"k%d" % i, i % PARTITIONS) for i, e in enumerate(events)])
    async with at_work(desk, 100, delivery):
        await until(desk, f"{desk.source}-out", 15)
        await until(desk, desk.dead, 5)
        # Sent back too early: the worker still refuses them, and the new letters say that they were sent back once.
        assert (await desk.replay(most=1000)).fates[Fate.REPLAYED] == 5
        await until(desk, desk.dead, 10)
    found = await find_letters(desk.settings(), LetterFilter(), None)
    assert sorted(letter.replays for letter in found.newest) == [0] * 5 + [1] * 5
    async with at_work(desk, 1000, delivery):
        tally = await desk.replay(most=1000)
        assert (tally.fates[Fate.REPLAYED], tally.fates[Fate.ALREADY]) == (5, 5)
        await until(desk, f"{desk.source}-out", 20)
    answers = await read_all(desk.servers, f"{desk.source}-out", committed_only=True)
    assert ids(answers) == {f"f{i}": 1 for i in range(20)}
    assert {orjson.loads(a.value or b"")["id"]: a.key for a in answers} == {f"f{i}": b"k%d" % i for i in range(20)}
    assert len(await read_all(desk.servers, desk.dead, committed_only=True)) == 10
