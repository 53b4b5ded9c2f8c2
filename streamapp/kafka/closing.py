"""aiokafka's consumer, which also stops between a fetch that failed and the next try."""

import asyncio

import aiokafka


class ClosingConsumer(aiokafka.AIOKafkaConsumer):  # type: ignore[misc]
    """Stops whatever its broker does.

    aiokafka's fetcher lets the cancellation of the pause after a failed fetch out of `stop`: it takes the place of the
    error that made us stop, or ends a thread that others wait for.
    """

    async def stop(self) -> None:
        """Leave the group and close the connections."""
        try:
            await super().stop()
        except asyncio.CancelledError:
            await self._client.close()
