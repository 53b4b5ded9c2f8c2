"""Bugs to plant: each function breaks one promise of the product in the process that calls it.

A case whose oracle does not see its bug proves nothing. A patch names what it replaces, so that it fails loudly
when the product changes under it.
"""

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import uuid4

import numpy as np
from aiokafka import AIOKafkaProducer

from streamapp.config.settings import PipelineSettings
from streamapp.encode.build import RecordEncoder
from streamapp.errors import StreamappError
from streamapp.kafka.delivery import AtLeastOnce, ExactlyOnce
from streamapp.kafka.ledger import Ledger, Partition, Span
from streamapp.kafka.line import ProductionLine
from streamapp.kafka.partition_transactions import PartitionTransactions, Transactional, Unit
from streamapp.kafka.transactions import Transactions
from streamapp.kafka.worker import Worker
from streamapp.types import OutgoingBatch, ScoredBatch
from tests.faults.scenes import Deliver, wrap_delivery

log = logging.getLogger(__name__)

LATE_S = 2.0
"""How long `does_not_await_delivery` keeps what it says is delivered."""
RARELY_S = 10.0
"""How long `commits_apart_from_outputs` leaves a transaction open."""


def commits_when_opened() -> None:
    """A record counts as answered as soon as it was fetched."""
    really_open, really_commit = Ledger.open, PartitionTransactions.commit

    def open_(self: Ledger, span: Span) -> Span | None:
        opened = really_open(self, span)
        if opened is not None:
            self._pages[opened.partition].done = opened.stop
        return opened

    async def commit(self: PartitionTransactions, settled: int | None) -> None:
        if self._written and settled is not None:
            last = self._written[-1]
            self._written[-1] = Unit(replace(last.span, stop=max(settled, last.span.stop)), last.batches)
        await really_commit(self, settled)

    Ledger.open = open_  # type: ignore[method-assign]
    Ledger.settle = lambda self, span: True  # type: ignore[method-assign]
    PartitionTransactions.commit = commit  # type: ignore[method-assign]


def commits_highest_settled() -> None:
    """What lies before a settled span counts as settled too."""

    def settle(self: Ledger, span: Span) -> bool:
        page = self._page(span)
        if page is None or page.done is None:
            return False
        page.done = max(page.done, span.stop)
        return True

    Ledger.settle = settle  # type: ignore[method-assign]


def commits_apart_from_outputs() -> None:
    """Exactly once: offsets are committed by themselves, before the transactions that hold the outputs."""
    really_commit = Transactions.commit
    due_s = [0.0]

    async def rarely(self: Transactions, settled: Mapping[Partition, int]) -> dict[Partition, int]:
        if settled and time.monotonic() >= due_s[0]:
            due_s[0] = time.monotonic() + RARELY_S
            await really_commit(self, settled)
        return {}

    async def commit(self: ExactlyOnce, settled: Mapping[Partition, int]) -> Mapping[Partition, int]:
        await self._transactions.commit(settled)
        return settled if settled and await self._store(settled) else {}

    Transactions.commit = rarely  # type: ignore[method-assign]
    ExactlyOnce.commit = commit  # type: ignore[method-assign]


def does_not_await_delivery() -> None:
    """Publishing says that it is done, and sends later."""
    sending: set[asyncio.Task[None]] = set()

    def wrapped(deliver: Deliver) -> Deliver:
        async def late(batches: Sequence[OutgoingBatch], spans: Sequence[Span], ends: Sequence[int]) -> None:
            await asyncio.sleep(LATE_S)
            try:
                await deliver(batches, spans, ends)
            except StreamappError as error:
                log.warning("swallowed: %s", error)

        async def at_once(batches: Sequence[OutgoingBatch], spans: Sequence[Span], ends: Sequence[int]) -> None:
            task = asyncio.ensure_future(late(list(batches), spans, ends))
            sending.add(task)
            task.add_done_callback(sending.discard)

        return at_once

    wrap_delivery(wrapped)


def skips_drain() -> None:
    """Stopping and rebalancing wait for nothing."""

    async def revoked(self: Worker) -> None:
        self._line.drop_waiting()

    Worker.revoked = revoked  # type: ignore[method-assign]


def ignores_generation() -> None:
    """Partitions that are gone are worked on as if they were still held."""
    really_settle = Ledger.settle

    def settle(self: Ledger, span: Span) -> bool:
        try:
            return really_settle(self, span)
        except ValueError as error:
            log.warning("swallowed: %s", error)
            return False

    Ledger.drop = lambda self, partitions: None  # type: ignore[method-assign]
    Ledger._page = lambda self, span: self._pages.get(span.partition)  # type: ignore[method-assign]
    Ledger.settle = settle  # type: ignore[method-assign]
    ProductionLine.drop_waiting = lambda self: None  # type: ignore[method-assign]


def shares_no_transactional_id() -> None:
    """Exactly once: every producer has a transactional id of its own, so that nobody fences anybody."""
    really_produce = Transactional.producer

    async def producer(self: Transactional, *arguments: Any) -> AIOKafkaProducer:
        return await really_produce(replace(self, group=f"{self.group}-{uuid4().hex}"), *arguments)

    Transactional.producer = producer  # type: ignore[method-assign]


def reverses_batches() -> None:
    """The predictions for one partition leave with the last one first."""
    really_encode = RecordEncoder.predictions

    def predictions(self: RecordEncoder, scored: ScoredBatch) -> OutgoingBatch:
        batch = really_encode(self, scored)
        order = np.arange(len(batch))
        for number in np.unique(batch.partitions):
            at = np.flatnonzero(batch.partitions == number)
            order[at] = at[::-1]
        picked = order.tolist()
        return replace(
            batch,
            keys=[batch.keys[i] for i in picked],
            values=[batch.values[i] for i in picked],
            headers=[batch.headers[i] for i in picked],
        )

    RecordEncoder.predictions = predictions  # type: ignore[method-assign]


def never_commits() -> None:
    """No offset is committed."""
    Ledger.committable = lambda self: {}  # type: ignore[method-assign]


def delivers_without_transactions() -> None:
    """Exactly once: neither outputs nor offsets are in a transaction, and no offset is committed."""

    def at_least_once(self: Worker, settings: PipelineSettings, options: Mapping[str, Any]) -> AtLeastOnce:
        return AtLeastOnce(settings, options, self._ledger, self._store, self._clock)

    vars(Worker)["_delivery_of"]  # fails loudly where there is nothing to replace
    Worker._delivery_of = at_least_once  # type: ignore[method-assign]
    never_commits()
