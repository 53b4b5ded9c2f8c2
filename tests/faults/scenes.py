"""What a worker is made to do for a scene, without breaking any promise of it."""

import asyncio
from collections.abc import Sequence

from streamapp.kafka.line import ProductionLine
from streamapp.kafka.publisher import KafkaPublisher
from streamapp.types import OutgoingBatch

_NEVER_S = 3600.0


def first_batch_hangs() -> None:
    """Batches are published side by side and the first one never finishes: completion out of order, which the line
    itself does not do, and which the ledger must survive."""
    publish_in_turn = ProductionLine._publish
    really_publish = KafkaPublisher.publish
    begun: list[bool] = []

    async def side_by_side(self: ProductionLine) -> None:
        await asyncio.gather(publish_in_turn(self), publish_in_turn(self), publish_in_turn(self))

    async def publish(self: KafkaPublisher, batches: Sequence[OutgoingBatch]) -> None:
        if not begun:
            begun.append(True)
            await asyncio.sleep(_NEVER_S)
        await really_publish(self, batches)

    ProductionLine._publish = side_by_side  # type: ignore[method-assign]
    KafkaPublisher.publish = publish  # type: ignore[method-assign]
