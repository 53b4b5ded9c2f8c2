"""Records through a producer as finished record batches, one per partition under way.

Handing aiokafka finished record batches (`create_batch`, `send_batch`) costs a fraction of `send` per record:
no future and no wake-up per record.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaConnectionError, KafkaError, MessageSizeTooLargeError, ProducerClosed
from aiokafka.partitioner import murmur2
from aiokafka.producer.message_accumulator import BatchBuilder

from streamapp.errors import PublishError, RecordTooLarge
from streamapp.types import Int32, Int64, OutgoingBatch

BATCH_BYTES = 1_000_000
"""Size at which a record batch is closed; brokers accept 1 048 588 bytes unless configured otherwise."""

CONNECT_S = 20.0
STOP_S = 5.0


class Sent(NamedTuple):
    """What came of sending: batches left to send again, batches refused for their size, the first error."""

    left: list[OutgoingBatch]
    refused: list[OutgoingBatch]
    error: KafkaError | None


class Refused(PublishError):
    """The broker answers, and will not have such a producer."""


class Undelivered(PublishError):
    """Some records were not acknowledged; they may have been written all the same.

    remaining: what to publish again, in order. The rest is durable.
    """

    def __init__(self, message: str, remaining: Sequence[OutgoingBatch]) -> None:
        super().__init__(message)
        self.remaining = tuple(remaining)


class Rejected(RecordTooLarge):
    """The broker accepts these records under no circumstances.

    remaining: what else is to be published again, in order. The rest is durable.
    """

    def __init__(self, records: Sequence[OutgoingBatch], remaining: Sequence[OutgoingBatch] = ()) -> None:
        topics = ", ".join(sorted({batch.topic for batch in records}))
        super().__init__(f"{sum(map(len, records))} records are larger than the broker accepts for {topics}")
        self.records = tuple(records)
        self.remaining = tuple(remaining)


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


def without(batches: Sequence[OutgoingBatch], refused: Sequence[OutgoingBatch]) -> list[OutgoingBatch]:
    """The records of `batches` that are not among `refused`; a topic and a row make a record."""
    gone: dict[str, set[int]] = {}
    for batch in refused:
        gone.setdefault(batch.topic, set()).update(batch.rows.tolist())
    kept = [take(batch, np.flatnonzero(~np.isin(batch.rows, list(gone.get(batch.topic, ()))))) for batch in batches]
    return [batch for batch in kept if len(batch)]


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


class BatchSender:
    """Sends batches of rows through whichever producer is given."""

    def __init__(self, batch_bytes: int = BATCH_BYTES) -> None:
        self.batch_bytes = batch_bytes
        """Largest record batch; halved when a broker refuses one of several records."""
        self.careful = False
        """Whether a transaction waits for each record batch to be acknowledged; since a record was refused."""

    async def send(self, producer: AIOKafkaProducer, batches: Sequence[OutgoingBatch]) -> Sent:
        """Return once every record is acknowledged or has failed; order is kept per partition."""
        outcomes = await asyncio.gather(*[self._send_one(producer, batch) for batch in batches])
        return Sent(
            [batch for sent in outcomes for batch in sent.left],
            [batch for sent in outcomes for batch in sent.refused],
            _worst([sent.error for sent in outcomes]),
        )

    async def enqueue(
        self, producer: AIOKafkaProducer, batches: Sequence[OutgoingBatch], futures: "list[asyncio.Future[Any]]"
    ) -> None:
        """Hand every record to the producer, adding to `futures` what says later what became of them. Waits while the
        producer has a record batch of the same partition waiting. Raises `KafkaError` and `IllegalOperation`."""
        for batch in batches:
            for partition, rows in await _by_partition(producer, batch):
                at = 0
                while at < len(rows):
                    builder, at = _filled(producer, batch, rows, at)
                    futures.append(await producer.send_batch(builder, batch.topic, partition=partition))

    async def _send_one(self, producer: AIOKafkaProducer, batch: OutgoingBatch) -> Sent:
        try:
            groups = await _by_partition(producer, batch)
        except KafkaError as error:
            return Sent([batch], [], error)
        results = await asyncio.gather(*[self._fill(producer, batch, partition, rows) for partition, rows in groups])
        return Sent(
            [take(batch, rows) for rows, _, _ in results if len(rows)],
            [take(batch, rows) for _, rows, _ in results if len(rows)],
            _worst([error for _, _, error in results]),
        )

    async def _fill(
        self, producer: AIOKafkaProducer, batch: OutgoingBatch, partition: int, rows: Int64
    ) -> tuple[Int64, Int64, KafkaError | None]:
        """Send `rows` to one partition: rows left, rows refused, error. One record batch is under way at a time,
        so that none overtakes a failed one."""
        nothing = rows[:0]
        at = 0
        while at < len(rows):
            start = at
            builder, at = _filled(producer, batch, rows, start)
            size = builder.size()
            try:
                await (await producer.send_batch(builder, batch.topic, partition=partition))
            except MessageSizeTooLargeError as error:
                if at == start + 1:
                    return rows[at:], rows[start:at], error
                self.batch_bytes = min(self.batch_bytes, size // 2)
                return rows[start:], nothing, error
            except KafkaError as error:
                return rows[start:], nothing, error
        return nothing, nothing, None


async def _by_partition(producer: AIOKafkaProducer, batch: OutgoingBatch) -> list[tuple[int, Int64]]:
    """The output partitions of a batch, and the rows that go to each, in order."""
    chosen = output_partitions(batch, len(await producer.partitions_for(batch.topic)))
    order = np.argsort(chosen, kind="stable")
    bounds = np.flatnonzero(np.diff(chosen[order])) + 1
    return [(int(chosen[rows[0]]), rows) for rows in np.split(order, bounds) if len(rows)]


def _filled(producer: AIOKafkaProducer, batch: OutgoingBatch, rows: Int64, start: int) -> tuple[BatchBuilder, int]:
    """A record batch with as many of `rows` from `start` on as fit, and where the rest begins."""
    keys, values, headers = batch.keys, batch.values, batch.headers
    now_ms = int(time.time() * 1000)
    builder = producer.create_batch()
    append = builder.append
    at = start
    for i in rows[start:].tolist():
        if append(timestamp=now_ms, key=keys[i], value=values[i], headers=list(headers[i])) is None:
            break
        at += 1
    builder.close()
    return builder, at


def _worst(errors: Sequence[KafkaError | None]) -> KafkaError | None:
    """The first error that is not about size, else the first, else None."""
    found = [error for error in errors if error is not None]
    return next((error for error in found if not isinstance(error, MessageSizeTooLargeError)), next(iter(found), None))


async def connect(options: Mapping[str, Any], batch_bytes: int, **kind: Any) -> AIOKafkaProducer:
    """A started producer of that kind. Raises `Refused` where the broker answers and will not have it,
    `PublishError` where it does not answer."""
    producer = AIOKafkaProducer(**options, acks="all", max_batch_size=batch_bytes, **kind)
    try:
        await asyncio.wait_for(producer.start(), CONNECT_S)
    except (KafkaError, asyncio.TimeoutError, OSError, AssertionError) as error:
        await discard(producer)
        if _unreachable(error):
            raise PublishError(f"cannot connect to {options['bootstrap_servers']}: {error!r}") from error
        raise Refused(repr(error)) from error
    except BaseException:
        await discard(producer)
        raise
    return producer


def _unreachable(error: Exception) -> bool:
    """Whether it is about reaching a broker rather than about what the broker says."""
    if not isinstance(error, KafkaError):
        return True  # among them AssertionError: aiokafka knows no broker while the only one restarts
    # aiokafka wraps what breaks off while it looks for a coordinator in a plain KafkaError.
    return isinstance(error, KafkaConnectionError) or type(error) is KafkaError or bool(error.retriable)


async def discard(producer: AIOKafkaProducer) -> None:
    """Disconnect, in bounded time: what still waits to be delivered is given up."""
    try:
        await asyncio.wait_for(producer.stop(), STOP_S)
    except (KafkaError, asyncio.TimeoutError, OSError):
        task = producer._sender.sender_task
        if task is not None:
            task.cancel()
        await producer.client.close()
    # A sender that was stopped fails nothing; whoever waits for a delivery would wait for ever.
    producer._message_accumulator.fail_all(ProducerClosed())
