"""Whole batches to Kafka: one record batch per partition, acknowledged by all replicas.

Handing aiokafka finished record batches (`create_batch`, `send_batch`) costs a fraction of `send` per record:
no future and no wake-up per record.
"""

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaConnectionError, KafkaError, MessageSizeTooLargeError
from aiokafka.partitioner import murmur2

from streamapp.errors import PublishError, RecordTooLarge
from streamapp.types import Int32, Int64, OutgoingBatch

log = logging.getLogger(__name__)

BATCH_BYTES = 1_000_000
"""Size at which a record batch is closed; brokers accept 1 048 588 bytes unless configured otherwise."""

OWN_HEADERS = ("__connect.errors.", "streamapp.")
"""How the headers begin that a dead letter adds to the original's."""

CONNECT_S = 20.0


class Undelivered(PublishError):
    """Some records were not acknowledged; they may have been written all the same.

    remaining: what to publish again, in order. The rest is durable.
    """

    def __init__(self, message: str, remaining: Sequence[OutgoingBatch]) -> None:
        super().__init__(message)
        self.remaining = tuple(remaining)


class Rejected(RecordTooLarge):
    """The broker accepts these records under no circumstances; every other one is durable."""

    def __init__(self, records: Sequence[OutgoingBatch]) -> None:
        topics = ", ".join(sorted({batch.topic for batch in records}))
        super().__init__(f"{sum(map(len, records))} records are larger than the broker accepts for {topics}")
        self.records = tuple(records)


def take(batch: OutgoingBatch, indices: Int64) -> OutgoingBatch:
    """The records of `batch` at `indices`, in that order."""
    chosen = indices.tolist()
    return OutgoingBatch(
        batch.topic,
        batch.rows[indices],
        batch.partitions[indices],
        [batch.keys[i] for i in chosen],
        [batch.values[i] for i in chosen],
        [batch.headers[i] for i in chosen],
    )


def output_partitions(batch: OutgoingBatch, count: int) -> Int32:
    """Where the records go in a topic of `count` partitions.

    The partition they ask for (the input's number) if there is such a one, else by their key as Kafka's default
    partitioner does. One key always arrives on one input partition, so its order is kept either way.
    """
    wanted = batch.partitions
    outside = np.flatnonzero((wanted < 0) | (wanted >= count))
    if not len(outside):
        return wanted
    chosen = wanted.copy()
    for i in outside:
        key = batch.keys[i]
        chosen[i] = abs(int(wanted[i])) % count if key is None else (murmur2(key) & 0x7FFFFFFF) % count
    return chosen


class KafkaPublisher:
    """Publishes batches one call after the other.

    After any failure the connection is replaced: an idempotent producer whose batch failed has lost count of
    its sequence numbers, and every later batch to that partition would be refused.
    """

    def __init__(self, options: Mapping[str, Any], batch_bytes: int = BATCH_BYTES) -> None:
        self._options = dict(options)
        self._batch_bytes = batch_bytes
        self._idempotent = True
        self._producer: AIOKafkaProducer | None = None

    async def start(self) -> None:
        """Connect. Raises `PublishError`."""
        if self._producer is None:
            self._producer = await self._connect()

    async def stop(self) -> None:
        """Disconnect; nothing is waiting, as every call awaited its deliveries."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await producer.stop()

    async def publish(self, batches: Sequence[OutgoingBatch]) -> None:
        """Return once every record is acknowledged; order is kept per partition.

        Raises `Undelivered`, or `Rejected` once all but the rejected records are durable.
        """
        rejected: list[OutgoingBatch] = []
        waiting = [batch for batch in batches if len(batch)]
        while waiting:
            await self.start()
            outcomes = await asyncio.gather(*[self._publish_one(batch) for batch in waiting])
            waiting = [batch for left, _, _ in outcomes for batch in left]
            rejected += [batch for _, refused, _ in outcomes for batch in refused]
            errors = [error for _, _, error in outcomes if error is not None]
            if errors:
                await self._replace()
            final = next((error for error in errors if not isinstance(error, MessageSizeTooLargeError)), None)
            if final is not None:
                waiting += rejected
                raise Undelivered(f"{sum(map(len, waiting))} records not acknowledged: {final!r}", waiting) from final
        if rejected:
            raise Rejected(rejected)

    async def _publish_one(
        self, batch: OutgoingBatch
    ) -> tuple[list[OutgoingBatch], list[OutgoingBatch], KafkaError | None]:
        """What is left to do, what cannot be done, and the first error."""
        producer = self._producer
        if producer is None:
            return [batch], [], KafkaError("not connected")
        try:
            count = len(await producer.partitions_for(batch.topic))
        except KafkaError as error:
            return [batch], [], error
        chosen = output_partitions(batch, count)
        order = np.argsort(chosen, kind="stable")
        bounds = np.flatnonzero(np.diff(chosen[order])) + 1
        groups = np.split(order, bounds)
        results = await asyncio.gather(*[self._fill(producer, batch, int(chosen[g[0]]), g) for g in groups])
        errors = [error for _, _, error in results if error is not None]
        left = [take(batch, rows) for rows, _, _ in results if len(rows)]
        refused = [take(batch, rows) for _, rows, _ in results if len(rows)]
        return left, refused, errors[0] if errors else None

    async def _fill(
        self, producer: AIOKafkaProducer, batch: OutgoingBatch, partition: int, rows: Int64
    ) -> tuple[Int64, Int64, KafkaError | None]:
        """Send `rows` to one partition: rows left, rows refused, error. One record batch is under way at a time,
        so that none overtakes a failed one."""
        nothing = rows[:0]
        now_ms = int(time.time() * 1000)
        keys, values, headers = batch.keys, batch.values, batch.headers
        at = 0
        while at < len(rows):
            builder = producer.create_batch()
            append = builder.append
            start = at
            for i in rows[start:].tolist():
                if append(timestamp=now_ms, key=keys[i], value=values[i], headers=list(headers[i])) is None:
                    break
                at += 1
            builder.close()
            size = builder.size()
            try:
                await (await producer.send_batch(builder, batch.topic, partition=partition))
            except MessageSizeTooLargeError as error:
                if at == start + 1:
                    return rows[at:], rows[start:at], error
                self._batch_bytes = min(self._batch_bytes, size // 2)
                return rows[start:], nothing, error
            except KafkaError as error:
                return rows[start:], nothing, error
        return nothing, nothing, None

    async def _replace(self) -> None:
        try:
            await self.stop()
        except KafkaError as error:
            log.debug("the failed producer did not stop cleanly: %r", error)

    async def _connect(self) -> AIOKafkaProducer:
        if self._idempotent:
            try:
                return await self._open(enable_idempotence=True)
            except _NotIdempotent as error:
                self._idempotent = False
                log.warning("the broker has no idempotent producers (%s): an output may be written twice", error)
        return await self._open(enable_idempotence=False)

    async def _open(self, enable_idempotence: bool) -> AIOKafkaProducer:
        producer = AIOKafkaProducer(
            **self._options, acks="all", enable_idempotence=enable_idempotence, max_batch_size=self._batch_bytes
        )
        try:
            await asyncio.wait_for(producer.start(), CONNECT_S)
        except (KafkaError, asyncio.TimeoutError, OSError) as error:
            await producer.stop()
            unreachable = isinstance(error, (KafkaConnectionError, asyncio.TimeoutError, OSError))
            if enable_idempotence and not unreachable:
                raise _NotIdempotent(repr(error)) from error
            raise PublishError(f"cannot connect to {self._options['bootstrap_servers']}: {error!r}") from error
        return producer


class _NotIdempotent(Exception):
    """InitProducerId failed."""


def shortened(batch: OutgoingBatch) -> OutgoingBatch | None:
    """The same dead letters with less in them, and a header that says so: first without their values, then without
    keys and with our own headers only; None where nothing is left to leave out."""
    if any(value is not None for value in batch.values):
        note = ("streamapp.value.omitted", b"record_too_large")
        return replace(batch, values=[None] * len(batch), headers=[[*headers, note] for headers in batch.headers])
    note = ("streamapp.key.omitted", b"record_too_large")
    ours = [[h for h in headers if h[0].startswith(OWN_HEADERS)] for headers in batch.headers]
    if any(note in headers for headers in ours):
        return None
    return replace(batch, keys=[None] * len(batch), headers=[[*headers, note] for headers in ours])
