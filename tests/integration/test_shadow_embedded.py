"""Shadows on a real worker: their metrics move, and answers and commits are what they are without them."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from aiokafka import ConsumerRecord

from streamapp.demo.broker import EmbeddedBroker
from streamapp.demo.child import ChildProcess, python
from streamapp.demo.scrape import Scrape, scrape
from tests.brokers import free_ports
from tests.kafka_io import Outgoing, committed, create_topics, produce, read_all
from tests.onnx_models import onnx_model

PARTITIONS, EVENTS = 4, 400
PATIENCE_S = 40.0
BIASES = {"champion": 0.0, "challenger": 0.25, "broken": float(np.nan)}
SHADOWS = {"champion": 0.0, "challenger": 1.0, "broken": 0.5}
"""What each variant adds to an event's amount, and the share of the keys that it scores; the champion answers all."""


@dataclass
class Site:
    """One topic of events, and workers that answer them, each with a group and topics of its own."""

    bootstrap_servers: str
    folder: Path
    events: str
    outcomes: str
    workers: list[ChildProcess] = field(default_factory=list)

    async def start(self, name: str, variants: Sequence[str], port: int) -> None:
        """A worker that is ready, with its metrics on `port`."""
        topics = [f"{name}.predictions", f"{name}.dead"]
        await create_topics(self.bootstrap_servers, dict.fromkeys(topics, PARTITIONS))
        path, log = self.folder / f"{name}.yaml", self.folder / f"{name}.log"
        path.write_text(yaml.safe_dump(self.settings(name, variants, port)))
        worker = ChildProcess(python("-m", "streamapp", "run", str(path)), log=log)
        self.workers.append(worker)
        await until(lambda: "is ready" in log.read_text() or worker.exit_status is not None)
        assert worker.exit_status is None, log.read_text()

    def settings(self, name: str, variants: Sequence[str], port: int) -> dict[str, Any]:
        quick = {"session.timeout.ms": 2000, "heartbeat.interval.ms": 400, "fetch.max.wait.ms": 20}
        return {
            "name": name,
            "kafka": {"bootstrap.servers": self.bootstrap_servers, **quick},
            "source": {"topics": [self.events]},
            "event": {"id": "id", "fields": {"id": {"dtype": "string"}, "amount": {"dtype": "float32"}}},
            "variants": {variant: self.variant(variant) for variant in variants},
            "predictions": {"topic": f"{name}.predictions"},
            "dead_letters": {"topic": f"{name}.dead"},
            "outcomes": {"topic": self.outcomes, "id": "id", "label": "label", "score": "score"},
            "metrics": {"port": port},
            "worker": {"drain_s": 5, "commit_interval_s": 0.2},
        }

    def variant(self, name: str) -> dict[str, Any]:
        path = self.folder / f"{name}.onnx"
        path.write_bytes(onnx_model(BIASES[name]))
        return {
            "model": {"name": "scorer", "version": name, "path": str(path)},
            "weight": float(name == "champion"),
            "shadow": SHADOWS[name],
            "inputs": {"x": ["amount"]},
            "outputs": {"score": {"tensor": "y"}},
        }

    async def feed(self) -> None:
        """Amounts 0, 0.25, 0.5 and 0.75, a hundred each; those from 0.5 on turn out positive."""
        values = [b'{"id": "e%d", "amount": %g}' % (i, i % 4 / 4) for i in range(EVENTS)]
        labels = [b'{"id": "e%d", "label": %d}' % (i, i % 4 >= 2) for i in range(EVENTS)]
        for topic, records in ((self.events, values), (self.outcomes, labels)):
            places = [Outgoing(value, b"e%d" % i, i // 4 % PARTITIONS) for i, value in enumerate(records)]
            await produce(self.bootstrap_servers, topic, places)


@pytest.fixture
async def site(embedded_broker: EmbeddedBroker, tmp_path: Path, topic: Callable[[str], str]) -> AsyncIterator[Site]:
    found = Site(embedded_broker.bootstrap_servers, tmp_path, topic("events"), topic("outcomes"))
    await create_topics(found.bootstrap_servers, dict.fromkeys([found.events, found.outcomes], PARTITIONS))
    yield found
    for worker in found.workers:
        worker.stop(grace_s=0.0)


async def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < deadline, "it does not hold"
        await asyncio.sleep(0.05)


async def page_once(port: int, true: Callable[[Scrape], bool]) -> Scrape:
    """The metrics once something holds of them."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        page = await asyncio.to_thread(scrape, port)
        if page is not None and true(page):
            return page
        assert time.monotonic() < deadline, page and [s for s in page.samples if s.value]
        await asyncio.sleep(0.05)


def published(records: Sequence[ConsumerRecord]) -> list[tuple[Any, ...]]:
    """All that a reader sees of answers but the moment at which they were given."""
    timeless = [re.sub(rb'"scored_at":\d+', b"", record.value) for record in records]
    return sorted((r.partition, r.key, value, tuple(r.headers)) for r, value in zip(records, timeless, strict=True))


async def test_a_shadow_is_seen_in_metrics_and_nowhere_else(site: Site, topic: Callable[[str], str]) -> None:
    alone, beside = topic("alone"), topic("beside")
    plain_port, port = free_ports(2)
    await asyncio.gather(site.start(alone, ["champion"], plain_port), site.start(beside, [*BIASES], port))
    await site.feed()

    def through(page: Scrape) -> bool:
        judged = page.total("streamapp_quality_rows", variant="champion")
        return judged == page.total("streamapp_events_total") == EVENTS

    without, page = await page_once(plain_port, through), await page_once(port, through)
    assert [worker.stop(grace_s=10.0) for worker in site.workers] == [0, 0]

    def seen(family: str, variant: str, **labels: str) -> float:
        return page.total(f"streamapp_{family}", variant=variant, **labels)

    pair = {"variant": "challenger", "answered_by": "champion"}
    assert seen("shadow_rows_total", "challenger") == EVENTS
    assert seen("shadow_compared_rows_total", **pair) == EVENTS
    # Both say no to 0, and yes to 0.5 and 0.75; at 0.25 the challenger says 0.5.
    assert seen("shadow_agreeing_rows_total", **pair) == EVENTS * 3 / 4
    assert seen("shadow_score_difference_bucket", **pair, le="0.1") == 0
    assert seen("shadow_score_difference_bucket", **pair, le="0.25") == EVENTS
    assert seen("shadow_score_difference_sum", **pair) == EVENTS / 4
    assert seen("model_seconds_count", "challenger") == seen("model_seconds_count", "champion") > 0
    assert seen("quality_rows", "challenger") == EVENTS
    assert seen("quality_brier", "challenger") == pytest.approx((0.25**2 + 0.5**2 + 0.25**2) / 4)
    # NaN for every row that it is asked about: about half of the keys.
    failed = seen("shadow_failures_total", "broken")
    assert EVENTS * 0.4 < failed < EVENTS * 0.6
    assert seen("failed_rows_total", "broken") == failed
    assert seen("shadow_rows_total", "broken") == seen("shadow_compared_rows_total", "broken") == 0
    assert {name: seen("variant_shadow_ratio", name) for name in SHADOWS} == SHADOWS
    assert not without.has("streamapp_shadow_compared_rows_total")

    assert page.total("streamapp_dead_letters_total") == 0
    answers = [await read_all(site.bootstrap_servers, f"{name}.predictions") for name in (alone, beside)]
    assert len(answers[0]) == EVENTS
    assert published(answers[0]) == published(answers[1])
    for name in (alone, beside):
        assert await read_all(site.bootstrap_servers, f"{name}.dead") == []
        at = await committed(site.bootstrap_servers, name, site.events, PARTITIONS)
        assert at == dict.fromkeys(range(PARTITIONS), EVENTS // PARTITIONS)
