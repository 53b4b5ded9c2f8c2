"""Bugs to plant where the worker meets the outside: what it sends, what it is sent, and the log it reads."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import replace

from streamapp.errors import StreamappError
from streamapp.kafka.ledger import Ledger, OutOfPlace, Span
from streamapp.kafka.publisher import KafkaPublisher
from streamapp.pipeline import Pipeline
from streamapp.protocols import Prepared
from streamapp.types import Failure, OutgoingBatch, ScoredBatch

log = logging.getLogger(__name__)

IMPATIENT_AFTER_S = 1.0


def gives_up_on_delivery() -> None:
    """What is not delivered within a second counts as delivered."""
    really_publish = KafkaPublisher.publish

    async def publish(self: KafkaPublisher, batches: Sequence[OutgoingBatch]) -> None:
        try:
            await asyncio.wait_for(really_publish(self, batches), IMPATIENT_AFTER_S)
        except (asyncio.TimeoutError, StreamappError) as error:
            log.warning("swallowed: %r", error)
            abandoned, self._producer = self._producer, None
            if abandoned is not None:
                abandoned._sender.sender_task.cancel()
                _ABANDONED.append(abandoned)

    KafkaPublisher.publish = publish  # type: ignore[method-assign]


_ABANDONED: list[object] = []
"""Kept, or aiokafka would complain that a producer was not stopped."""


def takes_refusal_for_delivery() -> None:
    """What the broker refuses counts as delivered."""
    really_publish = KafkaPublisher.publish

    async def publish(self: KafkaPublisher, batches: Sequence[OutgoingBatch]) -> None:
        try:
            await really_publish(self, batches)
        except StreamappError as error:
            log.warning("swallowed: %s", error)

    KafkaPublisher.publish = publish  # type: ignore[method-assign]


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
