"""How many events have been answered, as a reader of the answers sees it."""

import asyncio
from collections.abc import Sequence

from aiokafka import AIOKafkaConsumer, TopicPartition

from streamapp.errors import DependencyError

_POLL_MS = 200


class AnswerCount:
    """Counts the records of the topics that answers go to; at-least-once duplicates count too.

    Asking for end offsets would be cheaper, but the embedded broker's are wrong.
    """

    def __init__(
        self,
        bootstrap_servers: str,
        topics: Sequence[str],
        partitions: int,
        *,
        fetch_max_wait_ms: int,
        patience_s: float = 60.0,
    ) -> None:
        self._bootstrap_servers = bootstrap_servers
        self._fetch_max_wait_ms = fetch_max_wait_ms
        self._partitions = [TopicPartition(topic, p) for topic in topics for p in range(partitions)]
        self._patience_s = patience_s
        self._consumer: AIOKafkaConsumer | None = None
        self.answers = 0

    async def start(self) -> None:
        """Read the topics, which must exist, from their beginning."""
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._bootstrap_servers,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            fetch_max_wait_ms=self._fetch_max_wait_ms,
        )
        await consumer.start()
        self._consumer = consumer
        consumer.assign(self._partitions)

    async def stop(self) -> None:
        """Leave."""
        if self._consumer is not None:
            await self._consumer.stop()

    async def reach(self, answers: int) -> None:
        """Return once `answers` records were counted. Raises `DependencyError` if none comes for `patience_s`."""
        if self._consumer is None:
            raise DependencyError("the answers are not being read")
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + self._patience_s
        while self.answers < answers:
            fetched = await self._consumer.getmany(timeout_ms=_POLL_MS)
            new = sum(map(len, fetched.values()))
            self.answers += new
            if new:
                deadline_s = loop.time() + self._patience_s
            elif loop.time() > deadline_s:
                raise DependencyError(f"no answer for {self._patience_s:g} s: {self.answers} of {answers} events")
