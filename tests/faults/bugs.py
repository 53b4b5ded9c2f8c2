"""Bugs to plant: each function breaks one promise of the product in the process that calls it.

A case whose oracle does not see its bug proves nothing. A patch names what it replaces, so that it fails loudly
when the product changes under it.
"""

import asyncio
import logging
from collections.abc import Sequence

from streamapp.errors import StreamappError
from streamapp.kafka.ledger import Ledger, Span
from streamapp.kafka.line import ProductionLine
from streamapp.kafka.publisher import KafkaPublisher
from streamapp.kafka.worker import Worker
from streamapp.types import OutgoingBatch

log = logging.getLogger(__name__)

LATE_S = 2.0
"""How long `does_not_await_delivery` keeps what it says is delivered."""


def commits_when_opened() -> None:
    """A record counts as answered as soon as it was fetched."""
    really_open = Ledger.open

    def open_(self: Ledger, span: Span) -> Span | None:
        opened = really_open(self, span)
        if opened is not None:
            page = self._pages[opened.partition]
            page.done = opened.stop
        return opened

    Ledger.open = open_  # type: ignore[method-assign]
    Ledger.settle = lambda self, span: True  # type: ignore[method-assign]


def commits_highest_settled() -> None:
    """What lies before a settled span counts as settled too."""

    def settle(self: Ledger, span: Span) -> bool:
        page = self._page(span)
        if page is None or page.done is None:
            return False
        page.done = max(page.done, span.stop)
        return True

    Ledger.settle = settle  # type: ignore[method-assign]


def does_not_await_delivery() -> None:
    """Publishing says that it is done, and sends later."""
    really_publish = KafkaPublisher.publish

    async def late(self: KafkaPublisher, batches: Sequence[OutgoingBatch]) -> None:
        await asyncio.sleep(LATE_S)
        try:
            await really_publish(self, batches)
        except StreamappError as error:
            log.warning("swallowed: %s", error)

    async def publish(self: KafkaPublisher, batches: Sequence[OutgoingBatch]) -> None:
        task = asyncio.ensure_future(late(self, list(batches)))
        _LATE.add(task)
        task.add_done_callback(_LATE.discard)

    KafkaPublisher.publish = publish  # type: ignore[method-assign]


_LATE: set["asyncio.Task[None]"] = set()


def skips_drain() -> None:
    """Stopping and rebalancing wait for nothing."""

    async def revoked(self: Worker) -> None:
        self._line.drop_waiting()

    Worker.revoked = revoked  # type: ignore[method-assign]


def ignores_generation() -> None:
    """Partitions that are gone are worked on as if they were still held."""
    really_assign = Ledger.assign

    def assign(self: Ledger, partitions: Sequence[object], generation: int) -> None:
        really_assign(self, [p for p in partitions if p not in self._pages], generation)  # type: ignore[misc]

    Ledger.drop = lambda self, partitions: None  # type: ignore[method-assign]
    Ledger.assign = assign  # type: ignore[method-assign,assignment]
    ProductionLine.drop_waiting = lambda self: None  # type: ignore[method-assign]
