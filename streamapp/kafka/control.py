"""The control topics as control uses them: a log, snapshots and reports, over one producer."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any

from aiokafka import AIOKafkaProducer, ConsumerRecord
from aiokafka.errors import KafkaError

from streamapp.errors import PublishError
from streamapp.kafka.control_topics import ControlTopics, prepare_control_topics
from streamapp.kafka.following import follow_partition
from streamapp.kafka.reading import read_topic
from streamapp.kafka.sending import BATCH_BYTES, Refused, connect, discard

log = logging.getLogger(__name__)

WRITE_S = 10.0
"""A write that is not acknowledged within this time may still be there."""


class ControlTopicsWriter:
    """Writes records one at a time, each acknowledged by all replicas."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        self._options = dict(options)
        self._producer: AIOKafkaProducer | None = None
        self._connecting = asyncio.Lock()

    async def write(self, topic: str, key: bytes | None, value: bytes) -> int:
        """The record's offset. Raises `PublishError` where it was not acknowledged; it may be there all the same."""
        producer = await self._connected()
        try:
            sent = await asyncio.wait_for(producer.send_and_wait(topic, value, key=key, partition=0), WRITE_S)
        except (KafkaError, OSError, asyncio.TimeoutError) as error:
            await self.close()
            raise PublishError(f"a record to {topic} was not acknowledged: {error!r}") from error
        return int(sent.offset)

    async def close(self) -> None:
        """Disconnect; the next write connects again."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await discard(producer)

    async def _connected(self) -> AIOKafkaProducer:
        async with self._connecting:
            if self._producer is None:
                try:
                    self._producer = await connect(self._options, BATCH_BYTES, enable_idempotence=True)
                except Refused:
                    # Repeated by a retry of the client it is void: a command says what it expects.
                    self._producer = await connect(self._options, BATCH_BYTES)
            return self._producer


class ControlLog:
    """Commands in the order in which the broker took them."""

    def __init__(self, options: Mapping[str, Any], topic: str, writer: ControlTopicsWriter) -> None:
        self._options, self._topic, self._writer = options, topic, writer

    async def append(self, value: bytes) -> int:
        """Write a command; its offset. Raises `PublishError` where that is not known: it may be there all the same."""
        return await self._writer.write(self._topic, None, value)

    async def follow(
        self, start: int, on_record: Callable[[int, int, bytes], Awaitable[None] | None], caught_up: asyncio.Event
    ) -> None:
        """Hand over offset, broker's timestamp (ms) and value of every command from offset `start` on, for ever.

        `caught_up` is set once what was there at the beginning was handed over. Raises `ControlError` where the log no
        longer holds the offset to go on at.
        """

        def take(record: "ConsumerRecord[Any, Any]") -> Awaitable[None] | None:
            return on_record(record.offset, record.timestamp, record.value or b"")

        await follow_partition(self._options, self._topic, start, take, caught_up)


class ControlSnapshots:
    """The latest value of every key."""

    def __init__(self, options: Mapping[str, Any], topic: str, writer: ControlTopicsWriter) -> None:
        self._options, self._topic, self._writer = options, topic, writer

    async def save(self, key: str, value: bytes) -> None:
        """Write one. Raises `PublishError`."""
        await self._writer.write(self._topic, key.encode(), value)

    async def load(self) -> Mapping[str, bytes]:
        """As they are now, but for records that are none of ours. Raises `BrokerUnavailable`."""
        found: dict[str, bytes] = {}
        async for batch in read_topic(self._options, self._topic, [0]):
            for key, offset, value in zip(batch.keys, batch.offsets.tolist(), batch.values, strict=True):
                name = _name(key, self._topic, offset)
                if name is None:
                    continue
                found.pop(name, None)
                if value is not None:
                    found[name] = value
        return found


class ControlReports:
    """The latest report of every worker; only the newest of a worker's own is ever waiting to be sent."""

    def __init__(self, options: Mapping[str, Any], topic: str, writer: ControlTopicsWriter) -> None:
        self._options, self._topic, self._writer = options, topic, writer
        self._waiting: dict[str, bytes] = {}
        self._put = asyncio.Event()
        self._closing = False
        self._sending: asyncio.Task[None] | None = None

    def send(self, key: str, value: bytes) -> None:
        """Best effort, without waiting."""
        self._waiting[key] = value
        self._put.set()
        if self._sending is None:
            self._sending = asyncio.get_running_loop().create_task(self._send())

    async def follow(self, on_report: Callable[[str, int, bytes], None], caught_up: asyncio.Event) -> None:
        """Hand over key, broker's timestamp (ms) and value of every report, the kept ones first, for ever. Records that
        are none of ours are passed over."""

        def take(record: "ConsumerRecord[Any, Any]") -> None:
            name = _name(record.key, self._topic, record.offset)
            if name is not None and record.value is not None:
                on_report(name, record.timestamp, record.value)

        await follow_partition(self._options, self._topic, None, take, caught_up)

    async def close(self, within_s: float) -> None:
        """Send what waits, for at most `within_s` seconds."""
        if self._sending is None:
            return
        self._closing = True
        self._put.set()
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._sending, within_s)

    async def _send(self) -> None:
        while not self._closing:
            await self._put.wait()
            self._put.clear()
            await self._flush()
        await self._flush()

    async def _flush(self) -> None:
        while self._waiting:
            key = next(iter(self._waiting))
            try:
                await self._writer.write(self._topic, key.encode(), self._waiting.pop(key))
            except PublishError as error:
                log.warning("a report was not sent: %s", error)


def _name(key: bytes | None, topic: str, offset: int) -> str | None:
    """A record's key in words; None for a record that somebody else wrote."""
    if key is not None:
        with suppress(UnicodeDecodeError):
            return key.decode()
    log.warning("record %d of topic %s is passed over: its key is none of ours; who else writes there?", offset, topic)
    return None


class ControlConnection:
    """All of it, for one process."""

    def __init__(self, options: Mapping[str, Any], topics: ControlTopics) -> None:
        self._options, self._topics = options, topics
        self._writer = ControlTopicsWriter(options)
        self.log = ControlLog(options, topics.log, self._writer)
        self.snapshots = ControlSnapshots(options, topics.state, self._writer)
        self.reports = ControlReports(options, topics.reports, self._writer)

    async def prepare(self, wait_s: float) -> None:
        """See `prepare_control_topics`."""
        await prepare_control_topics(self._options, self._topics, wait_s)

    async def close(self, within_s: float) -> None:
        """Send the last report and disconnect."""
        await self.reports.close(within_s)
        await self._writer.close()
