"""Bugs to plant where the worker meets the outside: what it sends, what it is sent, and the log it reads."""

import asyncio
import logging
import time
from collections.abc import Sequence
from dataclasses import replace

from streamapp.errors import StreamappError
from streamapp.kafka.ledger import Ledger, OutOfPlace, Span
from streamapp.pipeline import Pipeline
from streamapp.protocols import Prepared
from streamapp.types import Failure, OutgoingBatch, ScoredBatch
from tests.faults import oracle
from tests.faults.bugs import delivers_without_transactions
from tests.faults.modes import AT_LEAST_ONCE, EXACTLY_ONCE
from tests.faults.scenes import Deliver, wrap_delivery
from tests.faults.workers import PATIENCE_S
from tests.faults.workplace import SESSION_S

log = logging.getLogger(__name__)

IMPATIENT_AFTER_S = 1.0
SPARED_FOR_S = 6.0
"""Longer than the outages of the controls, so that events which come after them meet it too."""


def gives_up_on_delivery() -> None:
    """A broker that does not answer within a second is spared for a while; what was to be sent counts as delivered."""
    spared_until_s = 0.0
    left: list[asyncio.Future[None]] = []

    def wrapped(deliver: Deliver) -> Deliver:
        async def impatient(batches: Sequence[OutgoingBatch], spans: Sequence[Span], ends: Sequence[int]) -> None:
            nonlocal spared_until_s
            if time.monotonic() < spared_until_s:
                return
            attempt = asyncio.ensure_future(deliver(batches, spans, ends))
            done, _ = await asyncio.wait({attempt}, timeout=IMPATIENT_AFTER_S)
            if done:
                await attempt
            else:
                spared_until_s = time.monotonic() + SPARED_FOR_S
                left.append(attempt)

        return impatient

    wrap_delivery(wrapped)


def takes_refusal_for_delivery() -> None:
    """What the broker refuses counts as delivered."""

    def wrapped(deliver: Deliver) -> Deliver:
        async def swallowing(batches: Sequence[OutgoingBatch], spans: Sequence[Span], ends: Sequence[int]) -> None:
            try:
                await deliver(batches, spans, ends)
            except StreamappError as error:
                log.warning("swallowed: %s", error)

        return swallowing

    wrap_delivery(wrapped)


def fails_the_whole_batch() -> None:
    """One bad row fails all of its batch."""
    really_score = Pipeline.score

    def score(self: Pipeline, prepared: Prepared) -> ScoredBatch:
        scored = really_score(self, prepared)
        if not scored.failures:
            return scored
        return replace(scored, failures=dict.fromkeys(range(len(scored)), Failure("infer", "batch", "a bad batch")))

    Pipeline.score = score  # type: ignore[method-assign]


def drops_dead_letters() -> None:
    """Bad rows are logged and forgotten."""
    really_encode = Pipeline.encode

    def encode(self: Pipeline, scored: ScoredBatch) -> tuple[OutgoingBatch, ...]:
        topic = self.settings.dead_letters.topic
        return tuple(batch for batch in really_encode(self, scored) if batch.topic != topic)

    Pipeline.encode = encode  # type: ignore[method-assign]


def begins_anywhere() -> None:
    """Records may begin wherever the broker says; what is missing in between is nobody's business."""
    really_open = Ledger.open

    def open_(self: Ledger, span: Span) -> Span | None:
        try:
            return really_open(self, span)
        except OutOfPlace:
            return self.restart(span)

    Ledger.open = open_  # type: ignore[method-assign]


CONTROLS = (
    (AT_LEAST_ONCE, gives_up_on_delivery, 30_000, oracle.LOST, PATIENCE_S),
    (EXACTLY_ONCE, delivers_without_transactions, int(SESSION_S * 1000), oracle.TOO_MANY_REPEATS, SESSION_S),
)
"""For outages: mode, bug, session timeout in ms, what shows it, and how long to wait for the last commit.

At least once, the group must outlast the outage, or it would do the work again after all. Exactly once, it must not,
and the bug commits nothing, so that there is nothing to wait for.
"""
