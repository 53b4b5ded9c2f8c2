"""How outputs become durable and offsets committed: at least once, or exactly once."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

from streamapp.config.settings import PipelineSettings
from streamapp.errors import PublishError
from streamapp.kafka.chunk import Store
from streamapp.kafka.ledger import Ledger, Partition, Span
from streamapp.kafka.publisher import KafkaPublisher
from streamapp.kafka.transaction_check import check_transactions, transactional
from streamapp.kafka.transactions import Transactions
from streamapp.protocols import Clock
from streamapp.types import OutgoingBatch

log = logging.getLogger(__name__)


class Delivery(Protocol):
    """What the worker asks of either."""

    async def start(self) -> None:
        """Connect. Raises `StreamappError`."""
        ...

    async def stop(self) -> None:
        """Disconnect, in bounded time."""
        ...

    async def assigned(self, partitions: Sequence[Partition], generation: int) -> None:
        """Take these partitions up, before their committed offsets are read. Raises `PublishError`."""
        ...

    def lost(self, partitions: Iterable[Partition]) -> None:
        """These partitions are gone."""
        ...

    async def publish(self, batches: Sequence[OutgoingBatch], spans: Sequence[Span], ends: Sequence[int]) -> None:
        """See `streamapp.kafka.line.Deliver`."""
        ...

    async def commit(self, settled: Mapping[Partition, int]) -> Mapping[Partition, int]:
        """Commit settled offsets; which ones are stored now."""
        ...


class AtLeastOnce:
    """Outputs are acknowledged by the broker before their rows are settled; offsets are committed later.

    A worker that was frozen does not know yet that others took over. So before it publishes after a session's time
    without a commit, it commits where it stands, which the group refuses to a former member.
    """

    def __init__(
        self, settings: PipelineSettings, options: Mapping[str, Any], ledger: Ledger, store: Store, clock: Clock
    ) -> None:
        self._publisher = KafkaPublisher(options)
        self._ledger, self._store, self._clock = ledger, store, clock
        self._session_s = settings.kafka.session_timeout_ms / 1000
        self._member_at_s = clock.monotonic_s()

    async def start(self) -> None:
        """Connect. Raises `PublishError`."""
        await self._publisher.start()

    async def stop(self) -> None:
        """Disconnect."""
        await self._publisher.stop()

    async def assigned(self, partitions: Sequence[Partition], generation: int) -> None:
        """The group has just said that this worker is a member."""
        self._member_at_s = self._clock.monotonic_s()

    def lost(self, partitions: Iterable[Partition]) -> None:
        """Nothing is kept per partition."""

    async def publish(self, batches: Sequence[OutgoingBatch], spans: Sequence[Span], ends: Sequence[int]) -> None:
        """Return once every record is acknowledged. Raises `Undelivered`, `Rejected` and `PublishError`."""
        if self._clock.monotonic_s() - self._member_at_s > self._session_s:
            stands_at = {span.partition: self._ledger.settled_to(span.partition) for span in spans}
            offsets = {partition: offset for partition, offset in stands_at.items() if offset is not None}
            if offsets and not await self.commit(offsets):
                raise PublishError("the group may have given this worker's partitions to others")
            if not any(map(self._ledger.holds, spans)):
                raise PublishError("the group has given this worker's partitions to others")
        await self._publisher.publish(batches)

    async def commit(self, settled: Mapping[Partition, int]) -> Mapping[Partition, int]:
        """Commit settled offsets as a member of the group."""
        asked_at_s = self._clock.monotonic_s()
        if not settled or not await self._store(settled):
            return {}
        self._member_at_s = asked_at_s
        return settled


class ExactlyOnce:
    """Outputs and offsets of the source topics share transactions; other offsets are committed by the group."""

    def __init__(
        self,
        settings: PipelineSettings,
        options: Mapping[str, Any],
        store: Store,
        stored: Callable[[Mapping[Partition, int]], None],
        start_over: Callable[[Partition], None],
    ) -> None:
        self._settings, self._options, self._store, self._stored = settings, options, store, stored
        self._transactions = Transactions(transactional(settings, options), start_over)

    async def start(self) -> None:
        """See that the broker has transactions. Raises `ConfigError` and `BrokerUnavailable`."""
        await check_transactions(self._settings, self._options)

    async def stop(self) -> None:
        """Disconnect."""
        await self._transactions.stop()

    async def assigned(self, partitions: Sequence[Partition], generation: int) -> None:
        """Fence whoever held the partitions before. Raises `PublishError`."""
        events = [partition for partition in partitions if self._transactional(partition)]
        # No heartbeats are sent meanwhile.
        await self._transactions.assigned(events, generation, 0.8 * self._settings.kafka.session_timeout_ms / 1000)

    def lost(self, partitions: Iterable[Partition]) -> None:
        """What was written for them and not committed never was."""
        self._transactions.lost(partitions)

    async def publish(self, batches: Sequence[OutgoingBatch], spans: Sequence[Span], ends: Sequence[int]) -> None:
        """Return once every record is in an open transaction. Raises `Undelivered` and `Rejected`."""
        await self._transactions.publish(batches, spans, ends)

    async def commit(self, settled: Mapping[Partition, int]) -> Mapping[Partition, int]:
        """Commit transactions, in bounded time: one that takes longer is lost anyway, and a rebalance may wait."""
        stored: dict[Partition, int] = {}
        try:
            limit_s = self._settings.kafka.session_timeout_ms / 1000
            stored = await asyncio.wait_for(self._transactions.commit(settled), limit_s)
        except asyncio.TimeoutError:
            log.warning("the transactions did not commit in time; what became of them is found out before the next")
        self._stored(stored)
        others = {partition: offset for partition, offset in settled.items() if not self._transactional(partition)}
        if others and await self._store(others):
            stored |= others
        return stored

    def _transactional(self, partition: Partition) -> bool:
        return partition.topic in self._settings.source.topics
