"""A topic from its beginning to where it ends now, read beside any consumer group."""

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping
from typing import Any

import numpy as np
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from streamapp.errors import BrokerUnavailable
from streamapp.kafka.closing import ClosingConsumer
from streamapp.types import RecordBatch

CHUNK_ROWS = 2_000
STALL_S = 30.0
"""A read that gets no further for this long has lost its broker."""
_POLL_MS = 500


async def read_topic(options: Mapping[str, Any], topic: str, partitions: Collection[int]) -> AsyncIterator[RecordBatch]:
    """Committed records of these partitions, each in offset order, up to the end that the first fetch reports.

    Chunks of at most `CHUNK_ROWS` rows, of several partitions. Raises `BrokerUnavailable`.
    """
    if not partitions:
        return
    consumer = ClosingConsumer(
        **options, isolation_level="read_committed", auto_offset_reset="earliest", enable_auto_commit=False
    )
    try:
        await asyncio.wait_for(consumer.start(), STALL_S)
        async for chunk in _read(consumer, {TopicPartition(topic, number) for number in partitions}):
            yield chunk
    except (KafkaError, asyncio.TimeoutError, OSError) as error:
        raise BrokerUnavailable(f"topic {topic} cannot be read: {error!r}") from error
    finally:
        await consumer.stop()


async def _read(consumer: AIOKafkaConsumer, reading: set[TopicPartition]) -> AsyncIterator[RecordBatch]:
    consumer.assign(sorted(reading))
    await consumer.seek_to_beginning(*reading)
    ends: dict[TopicPartition, int] = {}
    loop = asyncio.get_running_loop()
    moved_s = loop.time()
    while reading:
        fetched = await consumer.getmany(*reading, timeout_ms=_POLL_MS, max_records=CHUNK_ROWS)
        for partition in list(reading):
            # The end that a fetch reports: the embedded broker answers the request for it wrongly.
            end = consumer.last_stable_offset(partition)
            end = consumer.highwater(partition) if end is None or end < 0 else end
            if end is not None:
                ends.setdefault(partition, end)
            if partition in ends and await consumer.position(partition) >= ends[partition]:
                reading.discard(partition)
                consumer.pause(partition)
                moved_s = loop.time()
        found = [r for part, records in fetched.items() for r in records if r.offset < ends[part]]
        if found:
            yield _columns(found)
        if found or not reading:
            moved_s = loop.time()
        elif loop.time() - moved_s > STALL_S:
            raise BrokerUnavailable(f"reading {', '.join(map(str, sorted(reading)))} got no further for {STALL_S:g} s")


def _columns(records: "list[ConsumerRecord[Any, Any]]") -> RecordBatch:
    n = len(records)
    return RecordBatch(
        [r.topic for r in records],
        np.fromiter((r.partition for r in records), np.int32, n),
        np.fromiter((r.offset for r in records), np.int64, n),
        np.fromiter((r.timestamp for r in records), np.int64, n),
        [r.key for r in records],
        [r.value for r in records],
        [r.headers for r in records],
    )
