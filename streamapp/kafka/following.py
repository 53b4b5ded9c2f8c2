"""One partition followed for ever, record by record, through whatever happens to the connection."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aiokafka import ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from streamapp.errors import ControlError
from streamapp.kafka.closing import ClosingConsumer

log = logging.getLogger(__name__)

FETCH_WAIT_MS = 100
"""How long a broker may hold a fetch. Kafka answers as soon as there is something; others look at the end only."""
ANSWER_MS = 5_000
"""A broker that has not answered for so long is asked over another connection: one that was lost without a word would
otherwise be waited for as long as a request to a busy broker is."""
_POLL_MS = 1_000
_PAUSE_S = 0.2
_LONGEST_PAUSE_S = 0.5
"""Short, as events may flow again before."""

OnRecord = Callable[["ConsumerRecord[Any, Any]"], Awaitable[None] | None]


async def follow_partition(
    options: Mapping[str, Any], topic: str, start: int | None, on_record: OnRecord, caught_up: asyncio.Event
) -> None:
    """Hand over every committed record from offset `start` on (None: from the first there is), each once, in order.

    Connects anew after errors, and goes on at the next offset. `caught_up` is set once what was there at the beginning
    was handed over. Raises `ControlError` where `start`, or the offset to go on at, is not there.
    """
    following = _Following(options, TopicPartition(topic, 0), start, on_record, caught_up)
    pause_s = _PAUSE_S
    while True:
        before = following.next_offset
        try:
            await following.run()
        except OffsetOutOfRangeError as error:
            raise ControlError(
                f"topic {topic} has no offset {following.next_offset}: it was deleted and made anew, or truncated"
            ) from error
        except (KafkaError, OSError, asyncio.TimeoutError) as error:
            log.warning("topic %s is read again in %.1f s: %r", topic, pause_s, error)
        if following.next_offset != before:
            pause_s = _PAUSE_S
        await asyncio.sleep(pause_s)
        pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)


class _Following:
    def __init__(
        self,
        options: Mapping[str, Any],
        partition: TopicPartition,
        start: int | None,
        on_record: OnRecord,
        caught_up: asyncio.Event,
    ) -> None:
        self._options, self._partition = options, partition
        self._on_record, self._caught_up = on_record, caught_up
        self._end: int | None = None
        self.next_offset = start

    async def run(self) -> None:
        """Follow over one connection, until it fails."""
        consumer = ClosingConsumer(
            **{**self._options, "request_timeout_ms": ANSWER_MS},
            isolation_level="read_committed",
            auto_offset_reset="none",
            enable_auto_commit=False,
            fetch_max_wait_ms=FETCH_WAIT_MS,
        )
        try:
            await consumer.start()
            consumer.assign([self._partition])
            if self.next_offset is None:
                await consumer.seek_to_beginning(self._partition)
            else:
                consumer.seek(self._partition, self.next_offset)
            while True:
                fetched = await consumer.getmany(
                    self._partition, timeout_ms=_POLL_MS if self._caught_up.is_set() else 50
                )
                for record in fetched.get(self._partition, ()):
                    await self._hand_over(record)
                if not self._caught_up.is_set():
                    await self._look_at_end(consumer)
        finally:
            await consumer.stop()

    async def _hand_over(self, record: "ConsumerRecord[Any, Any]") -> None:
        waiting = self._on_record(record)
        if waiting is not None:
            await waiting
        self.next_offset = record.offset + 1

    async def _look_at_end(self, consumer: ClosingConsumer) -> None:
        # The end that a fetch reports: the embedded broker answers the request for it wrongly.
        end = consumer.last_stable_offset(self._partition)
        end = consumer.highwater(self._partition) if end is None or end < 0 else end
        if end is None:
            return
        position = await consumer.position(self._partition)
        if self._end is None:
            self._end = end
            if position > end:
                raise OffsetOutOfRangeError({self._partition: position})  # not every broker says so
        if position >= self._end:
            self._caught_up.set()
