"""Feeds events through an idempotent producer and journals what the broker acknowledged."""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from functools import partial
from itertools import count
from types import TracebackType
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from tests.faults.events import Event, Place, digest, expected_score, make_event
from tests.faults.journal import Entry, Journal

_TICK_S = 0.02
_DELIVER_WITHIN_MS = 180_000
"""Longer than any outage of the suite: what the producer retries itself keeps its order."""


class Feeder:
    """One producer with keys of its own, so that the order per key is the order in which it sent.

    Keys are spread evenly over the partitions; events go round the keys. A delivery that fails is journalled as
    attempted; it is never sent again, so an id stands at one place at most.
    """

    def __init__(
        self, bootstrap_servers: str, topic: str, partitions: int, journal: Journal, *, name: str = "p0", keys: int = 12
    ) -> None:
        self._bootstrap_servers, self.topic, self.name = bootstrap_servers, topic, name
        self._homes = [(f"{name}-{number}", number % partitions) for number in range(keys)]
        self.journal = journal
        self.sent = 0
        self._sequences = {key: count() for key, _ in self._homes}
        self._pending: set[asyncio.Future[Any]] = set()
        self._producer: AIOKafkaProducer | None = None
        self._background: asyncio.Task[None] | None = None

    async def feed(self, events: int) -> None:
        """Send that many more events and return once the broker has answered for each."""
        for _ in range(events):
            await self._send_next()
        await self.flush()

    def start(self, rate: float) -> None:
        """Go on in the background at `rate` events per second until `stop`."""
        self._background = asyncio.ensure_future(self._run(rate))

    async def stop(self) -> None:
        """End the background feed and wait for what is under way."""
        if self._background is not None:
            self._background.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._background
            self._background = None
        await self.flush()

    async def raw(
        self, value: bytes | None, *, key: bytes | None, partition: int, headers: Sequence[tuple[str, bytes]] = ()
    ) -> Place | None:
        """Send one record as it is; where it stands, or None if the broker did not acknowledge it."""
        future = await self._send(
            value, key, partition, lambda place: Entry(place, key, digest(value)), headers=list(headers)
        )
        done, _ = await asyncio.wait([future])
        if next(iter(done)).exception() is not None:
            return None
        metadata = future.result()
        return Place(metadata.topic, metadata.partition, metadata.offset)

    async def flush(self) -> None:
        """Return once the broker has answered for everything sent."""
        while self._pending:
            await asyncio.wait(self._pending)

    async def close(self) -> None:
        await self.stop()
        if self._producer is not None:
            await self._producer.stop()

    async def __aenter__(self) -> "Feeder":
        self._producer = AIOKafkaProducer(
            bootstrap_servers=self._bootstrap_servers,
            acks="all",
            enable_idempotence=True,
            linger_ms=5,
            max_batch_size=256_000,
            max_request_size=20_000_000,
            request_timeout_ms=_DELIVER_WITHIN_MS,
        )
        await self._producer.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _run(self, rate: float) -> None:
        loop = asyncio.get_running_loop()
        began_s, first = loop.time(), self.sent
        while True:
            due = first + int((loop.time() - began_s) * rate)
            while self.sent < due:
                await self._send_next()
            await asyncio.sleep(_TICK_S)

    async def _send_next(self) -> None:
        key, partition = self._homes[self.sent % len(self._homes)]
        event = make_event(self.name, key, next(self._sequences[key]))
        self.sent += 1
        await self._send(event.value, key.encode(), partition, partial(_entry, event))

    async def _send(
        self,
        value: bytes | None,
        key: bytes | None,
        partition: int,
        entry: Callable[[Place], Entry],
        headers: list[tuple[str, bytes]] | None = None,
    ) -> "asyncio.Future[Any]":
        if self._producer is None:
            raise RuntimeError("use the feeder as an asynchronous context")
        self.journal.attempted.add(digest(value))
        future: asyncio.Future[Any] = await self._producer.send(
            self.topic, value=value, key=key, partition=partition, headers=headers
        )
        self._pending.add(future)
        future.add_done_callback(partial(self._delivered, entry))
        return future

    def _delivered(self, entry: Callable[[Place], Entry], future: "asyncio.Future[Any]") -> None:
        self._pending.discard(future)
        if future.cancelled():
            self.journal.unacknowledged.append("cancelled")
        elif (error := future.exception()) is not None:
            if not isinstance(error, KafkaError):
                raise error
            self.journal.unacknowledged.append(repr(error))
        else:
            found = future.result()
            self.journal.acknowledge(entry(Place(found.topic, found.partition, found.offset)))


def _entry(event: Event, place: Place) -> Entry:
    return Entry(place, event.key.encode(), digest(event.value), event.id, expected_score(event.number))
