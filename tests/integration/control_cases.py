"""The control topics on whatever broker: commands arrive in order, once, soon, and whoever comes late sees the same."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from streamapp.config.settings import KafkaSettings
from streamapp.errors import ConfigError, ControlError
from streamapp.kafka.client import connection
from streamapp.kafka.control import ControlConnection
from streamapp.kafka.control_topics import ControlTopics
from streamapp.kafka.topics import connect, create_topic
from tests.kafka_io import Outgoing, create_topics, produce

WITHIN_S = 20.0


class Room:
    """A broker, a set of control topics, and connections to them."""

    def __init__(self, bootstrap_servers: str, prefix: str) -> None:
        self.bootstrap_servers = bootstrap_servers
        self.topics = ControlTopics.of(prefix)

    def connection(self, bootstrap_servers: str | None = None) -> ControlConnection:
        return ControlConnection(self.client(bootstrap_servers), self.topics)

    def client(self, bootstrap_servers: str | None = None) -> dict[str, Any]:
        servers = bootstrap_servers or self.bootstrap_servers
        return connection(KafkaSettings.model_validate({"bootstrap.servers": servers}))

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[ControlConnection]:
        opened = self.connection()
        await opened.prepare(WITHIN_S)
        try:
            yield opened
        finally:
            await opened.close(1.0)


class Reader:
    """Follows a log and keeps what came."""

    def __init__(self, connected: ControlConnection, start: int = 0) -> None:
        self.values: list[bytes] = []
        self.offsets: list[int] = []
        self.times_ms: list[int] = []
        self.caught_up = asyncio.Event()
        self._came = asyncio.Event()
        self.task = asyncio.create_task(connected.log.follow(start, self._take, self.caught_up))

    def _take(self, offset: int, at_ms: int, value: bytes) -> None:
        self.values.append(value)
        self.offsets.append(offset)
        self.times_ms.append(at_ms)
        self._came.set()

    async def until(self, count: int) -> list[bytes]:
        async def wait() -> None:
            while len(self.values) < count:
                self._came.clear()
                await self._came.wait()

        await asyncio.wait_for(wait(), WITHIN_S)
        return self.values

    async def stop(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


class ControlCases:
    """Given a fixture `room`."""

    async def test_every_follower_sees_every_command_once_in_order(self, room: Room) -> None:
        async with room.connected() as ours, room.connected() as theirs:
            readers = [Reader(ours), Reader(theirs)]
            for reader in readers:
                await asyncio.wait_for(reader.caught_up.wait(), WITHIN_S)
            offsets = [await (ours, theirs)[i % 2].log.append(b"%d" % i) for i in range(20)]
            for reader in readers:
                assert await reader.until(20) == [b"%d" % i for i in range(20)]
                assert reader.offsets == offsets
                await reader.stop()

    async def test_whoever_comes_late_has_caught_up_when_it_says_so(self, room: Room) -> None:
        async with room.connected() as opened:
            for i in range(5):
                await opened.log.append(b"%d" % i)
            late = Reader(opened, start=2)
            await asyncio.wait_for(late.caught_up.wait(), WITHIN_S)
            assert late.values == [b"2", b"3", b"4"]
            await late.stop()

    async def test_a_command_arrives_within_a_fraction_of_a_second(self, room: Room) -> None:
        async with room.connected() as opened:
            reader = Reader(opened)
            await asyncio.wait_for(reader.caught_up.wait(), WITHIN_S)
            took_s = []
            for i in range(10):
                before_s = time.monotonic()
                await opened.log.append(b"now")
                await reader.until(i + 1)
                took_s.append(time.monotonic() - before_s)
            await reader.stop()
        assert sorted(took_s)[5] < 0.5

    async def test_a_log_that_is_shorter_than_it_was_is_an_error(self, room: Room) -> None:
        async with room.connected() as opened:
            await opened.log.append(b"only")
            reader = Reader(opened, start=7)
            with pytest.raises(ControlError, match="has no offset 7: it was deleted and made anew, or truncated"):
                await asyncio.wait_for(reader.task, WITHIN_S)

    async def test_snapshots_are_the_latest_of_every_key(self, room: Room) -> None:
        async with room.connected() as opened:
            assert await opened.snapshots.load() == {}
            for value in (b"1", b"2"):
                await opened.snapshots.save("state", value)
            await opened.snapshots.save("other", b"3")
            assert await opened.snapshots.load() == {"state": b"2", "other": b"3"}

    async def test_reports_reach_who_follows_and_the_last_one_is_sent_at_the_end(self, room: Room) -> None:
        found: dict[str, list[bytes]] = {}
        came = asyncio.Event()

        def take(key: str, at_ms: int, value: bytes) -> None:
            found.setdefault(key, []).append(value)
            came.set()

        async with room.connected() as leader:
            worker = room.connection()
            worker.reports.send("w", b"first")
            worker.reports.send("w", b"second")
            await worker.close(WITHIN_S)
            caught_up = asyncio.Event()
            following = asyncio.create_task(leader.reports.follow(take, caught_up))
            await asyncio.wait_for(caught_up.wait(), WITHIN_S)
            assert found["w"][-1] == b"second"
            came.clear()
            leader.reports.send("v", b"mine")
            await asyncio.wait_for(came.wait(), WITHIN_S)
            assert found["v"] == [b"mine"]
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)

    async def test_a_topic_that_somebody_else_made_meanwhile_tells_its_partitions(self, room: Room) -> None:
        admin = await connect(room.client(), WITHIN_S)
        try:
            assert await create_topic(admin, room.topics.log, 2) is None
            assert await create_topic(admin, room.topics.log, 1) == 2
        finally:
            await admin.close()

    async def test_records_that_are_none_of_ours_are_passed_over(self, room: Room) -> None:
        found: dict[str, bytes] = {}
        async with room.connected() as opened:
            for topic in (room.topics.state, room.topics.reports):
                await produce(room.bootstrap_servers, topic, [Outgoing(b"not ours", b"\xff\xfe")])
            await opened.snapshots.save("state", b"1")
            await opened._writer.write(room.topics.reports, b"w", b"ours")
            assert await opened.snapshots.load() == {"state": b"1"}
            caught_up = asyncio.Event()
            following = asyncio.create_task(
                opened.reports.follow(lambda key, at_ms, value: found.update({key: value}), caught_up)
            )
            waiting = asyncio.create_task(caught_up.wait())
            await asyncio.wait({following, waiting}, timeout=WITHIN_S, return_when=asyncio.FIRST_COMPLETED)
            assert found == {"w": b"ours"}
            for task in (following, waiting):
                task.cancel()
            await asyncio.gather(following, waiting, return_exceptions=True)

    async def test_a_log_of_several_partitions_is_refused(self, room: Room) -> None:
        await create_topics(room.bootstrap_servers, {room.topics.log: 2})
        with pytest.raises(ConfigError, match="has 2 partitions, and control needs one order"):
            await room.connection().prepare(WITHIN_S)


Topic = Callable[[str], str]
