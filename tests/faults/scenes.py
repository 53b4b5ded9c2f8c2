"""What a worker is made to do for a scene, without breaking any promise of it."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from streamapp.kafka.ledger import Span
from streamapp.kafka.line import Deliver, ProductionLine
from streamapp.types import OutgoingBatch

__all__ = ["Deliver", "completes_side_by_side", "first_batch_hangs", "wrap_delivery"]

_NEVER_S = 3600.0


def wrap_delivery(wrapped: Callable[[Deliver], Deliver]) -> None:
    """Let every line publish through `wrapped(publish)`, in either delivery mode."""
    really_begin = ProductionLine.__init__

    def begin(self: ProductionLine, settings: Any, path: Any, deliver: Deliver, *others: Any, **named: Any) -> None:
        really_begin(self, settings, path, wrapped(deliver), *others, **named)

    ProductionLine.__init__ = begin  # type: ignore[method-assign]


def first_batch_hangs() -> None:
    """The first batch is never published."""

    def wrapped(deliver: Deliver) -> Deliver:
        begun: list[bool] = []

        async def publish(batches: Sequence[OutgoingBatch], spans: Sequence[Span], ends: Sequence[int]) -> None:
            if not begun:
                begun.append(True)
                await asyncio.sleep(_NEVER_S)
            await deliver(batches, spans, ends)

        return publish

    wrap_delivery(wrapped)


def completes_side_by_side() -> None:
    """Batches are published side by side, so that they complete out of order: the line itself keeps their order,
    but the ledger is to survive it."""
    in_turn = ProductionLine._publish

    async def side_by_side(self: ProductionLine) -> None:
        await asyncio.gather(in_turn(self), in_turn(self), in_turn(self))

    ProductionLine._publish = side_by_side  # type: ignore[method-assign]
