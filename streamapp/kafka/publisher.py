"""Outputs to Kafka, at least once: acknowledged by all replicas before anything is settled."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import MessageSizeTooLargeError

from streamapp.kafka.sending import BATCH_BYTES, BatchSender, Refused, Rejected, Undelivered, connect, discard
from streamapp.types import OutgoingBatch

log = logging.getLogger(__name__)


class KafkaPublisher:
    """Publishes batches one call after the other.

    After any failure the connection is replaced: an idempotent producer whose batch failed has lost count of
    its sequence numbers, and every later batch to that partition would be refused.
    """

    def __init__(self, options: Mapping[str, Any], batch_bytes: int = BATCH_BYTES) -> None:
        self._options = dict(options)
        self._sender = BatchSender(batch_bytes)
        self._idempotent = True
        self._producer: AIOKafkaProducer | None = None

    async def start(self) -> None:
        """Connect. Raises `PublishError`."""
        await self._connected()

    async def stop(self) -> None:
        """Disconnect; nothing is waiting, as every call awaited its deliveries."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await discard(producer)

    async def publish(self, batches: Sequence[OutgoingBatch]) -> None:
        """Return once every record is acknowledged; order is kept per partition.

        Raises `Undelivered`, or `Rejected` once all but the rejected records are durable.
        """
        rejected: list[OutgoingBatch] = []
        waiting = [batch for batch in batches if len(batch)]
        while waiting:
            sent = await self._sender.send(await self._connected(), waiting)
            waiting, error = sent.left, sent.error
            rejected += sent.refused
            if error is None:
                continue
            await self.stop()
            if not isinstance(error, MessageSizeTooLargeError):
                waiting += rejected
                raise Undelivered(f"{sum(map(len, waiting))} records not acknowledged: {error!r}", waiting) from error
        if rejected:
            raise Rejected(rejected)

    async def _connected(self) -> AIOKafkaProducer:
        if self._producer is None:
            self._producer = await self._connect()
        return self._producer

    async def _connect(self) -> AIOKafkaProducer:
        if self._idempotent:
            try:
                return await connect(self._options, self._sender.batch_bytes, enable_idempotence=True)
            except Refused as error:
                self._idempotent = False
                log.warning("the broker has no idempotent producers (%s): an output may be written twice", error)
        return await connect(self._options, self._sender.batch_bytes)
