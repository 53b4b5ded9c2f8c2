"""A reader that follows the output topics while things break."""

import asyncio
import contextlib
import time
from types import TracebackType

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from tests.faults.answers import Answer, dead_letter, prediction
from tests.faults.events import Place
from tests.faults.oracle import Numbered


class Watcher:
    """Reads predictions and dead letters from their beginning, as they come.

    answers, in the order of their arrival, and arrived_s (monotonic) go together; answered are the inputs that have
    an answer.
    """

    def __init__(
        self, bootstrap_servers: str, predictions: str, dead_letters: str, partitions: int, *, committed_only: bool
    ) -> None:
        self.answers: list[Answer] = []
        self.arrived_s: list[float] = []
        self.answered: set[Place] = set()
        self._dead_letters = dead_letters
        self._homes = [TopicPartition(topic, n) for topic in (predictions, dead_letters) for n in range(partitions)]
        self._options = {
            "bootstrap_servers": bootstrap_servers,
            "enable_auto_commit": False,
            "isolation_level": "read_committed" if committed_only else "read_uncommitted",
            "fetch_max_wait_ms": 100,
        }
        self._consumer: AIOKafkaConsumer | None = None
        self._task: asyncio.Task[None] | None = None

    async def ends(self) -> dict[Numbered, int]:
        """Output partition -> end offset now."""
        if self._consumer is None:
            raise RuntimeError("use the watcher as an asynchronous context")
        found = await self._consumer.end_offsets(self._homes)
        return {(tp.topic, tp.partition): end for tp, end in found.items()}

    async def __aenter__(self) -> "Watcher":
        self._consumer = AIOKafkaConsumer(**self._options)
        await self._consumer.start()
        self._consumer.assign(self._homes)
        await self._consumer.seek_to_beginning(*self._homes)
        self._task = asyncio.ensure_future(self._follow(self._consumer))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        if self._consumer is not None:
            await self._consumer.stop()

    async def _follow(self, consumer: AIOKafkaConsumer) -> None:
        while True:
            for records in (await consumer.getmany(timeout_ms=200)).values():
                self._take(records)

    def _take(self, records: list[ConsumerRecord]) -> None:
        now_s = time.monotonic()
        for record in records:
            answer = dead_letter(record) if record.topic == self._dead_letters else prediction(record)
            self.answers.append(answer)
            self.arrived_s.append(now_s)
            self.answered.add(answer.place)

    def failed(self) -> BaseException | None:
        """What ended the reading, if anything did."""
        if self._task is None or not self._task.done() or self._task.cancelled():
            return None
        return self._task.exception()
