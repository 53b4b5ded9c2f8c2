"""A consumer whose broker is gone."""

import asyncio
import logging
import time
from collections.abc import Callable

import pytest
from aiokafka.structs import TopicPartition

from streamapp.demo.broker import EmbeddedBroker
from streamapp.kafka.closing import ClosingConsumer
from tests.kafka_io import create_topics

SOON_S = 10.0


async def test_it_stops_while_it_waits_after_a_failed_fetch(
    topic: Callable[[str], str], caplog: pytest.LogCaptureFixture
) -> None:
    with EmbeddedBroker() as broker:
        events = topic("events")
        await create_topics(broker.bootstrap_servers, {events: 1})
        consumer = ClosingConsumer(bootstrap_servers=broker.bootstrap_servers, retry_backoff_ms=600_000)
        await consumer.start()
        consumer.assign([TopicPartition(events, 0)])
        consumer.seek(TopicPartition(events, 0), 0)
        await consumer.getmany(timeout_ms=1)
    deadline_s = time.monotonic() + SOON_S
    with caplog.at_level(logging.ERROR, "aiokafka.consumer.fetcher"):
        while "Failed fetch" not in caplog.text:
            assert time.monotonic() < deadline_s
            await asyncio.sleep(0.01)
    await asyncio.wait_for(consumer.stop(), SOON_S)
