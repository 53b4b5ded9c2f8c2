"""Copies of records and the markers that say that they were made, written together or not at all."""

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    InvalidProducerEpoch,
    InvalidTimestampError,
    KafkaConnectionError,
    KafkaError,
    MessageSizeTooLargeError,
    ProducerFenced,
    RecordListTooLargeError,
)

from streamapp.errors import ConfigError, PublishError
from streamapp.kafka.copy_transactions import CopyTransactions
from streamapp.kafka.markers import read_markers
from streamapp.types import Headers

log = logging.getLogger(__name__)

CONNECT_S = 30.0
TRANSACTION_S = 60.0
"""How long the broker keeps a transaction open whose writer is gone and is not started again."""
MAX_RECORD_BYTES = 64 * 2**20
"""The broker decides what is too large, not the client."""

_REPLACED = "another replay of this topic began meanwhile; this one stopped"
_UNACCEPTABLE = (MessageSizeTooLargeError, RecordListTooLargeError, InvalidTimestampError)


@dataclass(frozen=True, slots=True)
class Copy:
    """A record to write and the marker that goes with it.

    partition None lets the key decide. timestamp_ms None is now. marker_key, marker_value: a record of the marker
    topic.
    """

    topic: str
    partition: int | None
    key: bytes | None
    value: bytes | None
    headers: Headers
    timestamp_ms: int | None
    marker_key: bytes
    marker_value: bytes


class CopyWriter:
    """Writes copies and their markers in one transaction per call.

    Only one writer per transactional id is at work: starting one ends whatever an earlier one had open, also where the
    broker forgot to, and the earlier one's next call fails. So markers that are read after `start` are all there are.
    Where a writer has to start anew itself, it looks whether another one was at work in between.

    Without transactions (None) the markers follow once the copies are acknowledged, and a crash in between leaves
    copies without markers.
    """

    def __init__(
        self, options: Mapping[str, Any], marker_topic: str, transactions: CopyTransactions | None = None
    ) -> None:
        self._options = dict(options)
        self._marker_topic = marker_topic
        self._transactions = transactions
        self._producer: AIOKafkaProducer | None = None

    async def start(self) -> None:
        """Connect. Raises `ConfigError` where the broker has no transactions or what is open may not be read,
        `PublishError` and `BrokerUnavailable`."""
        self._producer = await self._connect()
        try:
            await self._settle(self._producer)
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Disconnect."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await producer.stop()

    async def write(self, copies: Sequence[Copy]) -> list[Copy]:
        """Return once all are durable, but those that the broker does not take, which are given back.

        Raises `PublishError`: then none of the copies of the transaction that failed is there for a reader of what
        is committed.
        """
        try:
            await self._write(copies)
        except _UNACCEPTABLE as error:
            # The producer has lost count of its sequence numbers; a new one ends the transaction.
            await self._replace()
            await self._check_alone(copies)
            if len(copies) == 1:
                log.warning("the broker does not take the copy for %s: %r", copies[0].topic, error)
                return list(copies)
            middle = len(copies) // 2
            return await self.write(copies[:middle]) + await self.write(copies[middle:])
        except (ProducerFenced, InvalidProducerEpoch) as error:
            raise PublishError(_REPLACED) from error
        except KafkaError as error:
            raise PublishError(f"{len(copies)} copies were not written: {error!r}; run it again") from error
        return []

    async def _write(self, copies: Sequence[Copy]) -> None:
        producer = self._producer
        if producer is None:
            raise PublishError("not connected")
        if self._transactions is None:
            await self._send_copies(producer, copies)
            await self._send_markers(producer, copies)
            return
        await producer.begin_transaction()
        await self._send_copies(producer, copies)
        await self._send_markers(producer, copies)
        written = set(producer._txn_manager.txn_partitions)
        await producer.commit_transaction()
        await _in_time(self._transactions.confirm(producer, written))

    async def _send_copies(self, producer: AIOKafkaProducer, copies: Sequence[Copy]) -> None:
        sent: list[asyncio.Future[Any]] = []
        async with _delivering(sent):
            for c in copies:
                headers = list(c.headers)
                send = producer.send(c.topic, c.value, c.key, c.partition, c.timestamp_ms, headers)
                sent.append(await send)

    async def _send_markers(self, producer: AIOKafkaProducer, copies: Sequence[Copy]) -> None:
        sent: list[asyncio.Future[Any]] = []
        async with _delivering(sent):
            for c in copies:
                send = producer.send(self._marker_topic, c.marker_value, c.marker_key)
                sent.append(await send)

    async def _settle(self, producer: AIOKafkaProducer) -> None:
        try:
            if self._transactions is not None:
                await _in_time(self._transactions.settle(producer))
        except (ProducerFenced, InvalidProducerEpoch) as error:
            raise PublishError(_REPLACED) from error
        except KafkaError as error:
            raise PublishError(
                f"what an earlier replay left open could not be ended: {error!r}; run it again"
            ) from error

    async def _replace(self) -> None:
        await self.stop()
        await self.start()

    async def _check_alone(self, copies: Sequence[Copy]) -> None:
        """Raise `PublishError` if another writer has made any of the copies, which this one has not."""
        if self._transactions is None or self._producer is None:
            return
        partitions = len(await self._producer.partitions_for(self._marker_topic))
        made = await read_markers(self._options, self._marker_topic, partitions)
        if any(copy.marker_key.decode("utf-8", "replace") in made for copy in copies):
            raise PublishError(_REPLACED)

    async def _connect(self) -> AIOKafkaProducer:
        producer = AIOKafkaProducer(
            **self._options,
            acks="all",
            linger_ms=5,
            max_request_size=MAX_RECORD_BYTES,
            transactional_id=self._transactions and self._transactions.transactional_id,
            transaction_timeout_ms=int(TRANSACTION_S * 1_000),
        )
        try:
            await asyncio.wait_for(producer.start(), CONNECT_S)
        except (KafkaError, asyncio.TimeoutError, OSError) as error:
            await producer.stop()
            servers = self._options["bootstrap_servers"]
            if self._transactions is None or isinstance(error, (KafkaConnectionError, OSError)):
                raise PublishError(f"cannot connect to {servers}: {error!r}") from error
            raise ConfigError(
                f"the broker at {servers} gives no transaction ({error!r}): with ACLs, allow Write on transactional id "
                f"{self._transactions.transactional_id}. Without, a replay that is cut off could send letters back "
                "twice; say --without-transactions if that is acceptable"
            ) from error
        return producer


async def _in_time(work: Coroutine[Any, Any, None]) -> None:
    try:
        await asyncio.wait_for(work, TRANSACTION_S)
    except asyncio.TimeoutError as error:
        raise PublishError("the broker did not say in time what is open of a replay; run it again") from error


@asynccontextmanager
async def _delivering(sent: "list[asyncio.Future[Any]]") -> AsyncIterator[None]:
    """At the end none of `sent` is under way any more. Raises the first error of one that was not delivered."""
    outcomes: list[Any] = []
    try:
        yield
    finally:
        outcomes = await asyncio.gather(*sent, return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome
