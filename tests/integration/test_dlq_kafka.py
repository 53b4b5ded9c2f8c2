"""Dead letters on real Kafka: what is sent back twice, or half, is seen once by a reader of what is committed."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from streamapp.dlq.choose import Fate
from streamapp.dlq.copy import copy_of
from streamapp.dlq.letter import letters
from streamapp.dlq.shelf import open_shelf
from streamapp.errors import PublishError
from streamapp.kafka.client import connection
from streamapp.kafka.copies import CopyWriter
from tests.brokers import ApacheKafka
from tests.integration.dlq_cases import Desk, DlqCases, flight, ids
from tests.kafka_io import create_topics

LETTERS = 60
_KILLED = -9

_DIE = """
import os, signal
from aiokafka import AIOKafkaProducer
calls = 0
commit = AIOKafkaProducer.commit_transaction
async def dying(self):
    global calls
    calls += 1
    if calls == 3 and not {after}:
        os.kill(os.getpid(), signal.SIGKILL)
    await commit(self)
    if calls == 3:
        os.kill(os.getpid(), signal.SIGKILL)
AIOKafkaProducer.commit_transaction = dying
"""
"""Ends the process in its third transaction, before or after the commit."""


@pytest.fixture
async def desk(kafka_broker: ApacheKafka, tmp_path: Path, topic: Callable[[str], str]) -> Desk:
    found = Desk(kafka_broker.bootstrap_servers, tmp_path, topic, transactions=True)
    await found.create()
    return found


class TestDlqOnKafka(DlqCases):
    @pytest.mark.parametrize("after", [False, True])
    async def test_killed_in_the_middle_and_run_again_is_once(self, desk: Desk, after: bool) -> None:
        await desk.fail([flight(i) for i in range(LETTERS)])
        arguments = ["replay", str(desk.pipeline(1000)), "--batch-rows=10"]
        killed = desk.command(*arguments, before=_DIE.format(after=after))
        await asyncio.to_thread(killed.communicate, None, 60)
        assert killed.returncode == _KILLED
        # What the kill left behind is there for whoever does not ask for what is committed.
        assert len(await desk.copies(committed_only=False)) == 30
        tally = await desk.replay(batch_rows=10)
        done = 30 if after else 20
        assert (tally.fates[Fate.REPLAYED], tally.fates[Fate.ALREADY]) == (LETTERS - done, done)
        assert ids(await desk.copies()) == {f"f{i}": 1 for i in range(LETTERS)}
        assert (await desk.replay()).fates[Fate.ALREADY] == LETTERS

    async def test_of_two_replays_at_once_the_first_stops(self, desk: Desk) -> None:
        await desk.fail([flight(i) for i in range(4)])
        settings = desk.settings()
        client = connection(settings.kafka)
        shelf = await open_shelf(settings, client, create_markers=True)
        found = [letter async for records in shelf.read(client) for letter in letters(records)]
        copies = [copy_of(x, x.source, 2, False, 0) for x in found if x.source]
        first = CopyWriter(client, shelf.marker_topic, f"streamapp-replay-{desk.dead}")
        await first.start()
        try:
            assert await first.write(copies[:1]) == []
            tally = await desk.replay()
            assert (tally.fates[Fate.REPLAYED], tally.fates[Fate.ALREADY]) == (3, 1)
            with pytest.raises(PublishError, match="another replay"):
                await first.write(copies[1:])
        finally:
            await first.stop()
        assert ids(await desk.copies()) == {f"f{i}": 1 for i in range(4)}

    async def test_a_copy_that_the_broker_refuses_costs_only_itself(self, desk: Desk, topic) -> None:
        desk.source = topic("small")
        await create_topics(desk.servers, {desk.source: 2}, config={"max.message.bytes": "3000"})
        await desk.fail([flight(i, note="x" * (5000 if i in (3, 8) else 10)) for i in range(12)])
        tally = await desk.replay()
        assert (tally.fates[Fate.REPLAYED], tally.fates[Fate.REFUSED]) == (10, 2)
        assert ids(await desk.copies()) == {f"f{i}": 1 for i in range(12) if i not in (3, 8)}
        assert (await desk.replay()).fates[Fate.REFUSED] == 2

    async def test_a_replay_that_starts_anew_sees_one_that_ran_in_between(self, desk: Desk, topic) -> None:
        desk.source = topic("small")
        await create_topics(desk.servers, {desk.source: 2}, config={"max.message.bytes": "3000"})
        await desk.fail([flight(i, note="x" * (5000 if i == 3 else 10)) for i in range(4)])
        client = connection(desk.settings().kafka)
        shelf = await open_shelf(desk.settings(), client, create_markers=True)
        found = [letter async for records in shelf.read(client) for letter in letters(records)]

        class Overtaken(CopyWriter):
            async def stop(self) -> None:
                await super().stop()
                if not overtaken:
                    overtaken.append(await desk.replay())

        overtaken: list[object] = []
        first = Overtaken(client, shelf.marker_topic, f"streamapp-replay-{desk.dead}")
        await first.start()
        try:
            with pytest.raises(PublishError, match="another replay"):
                await first.write([copy_of(x, x.source, 2, False, 0) for x in found if x.source])
        finally:
            await first.stop()
        assert ids(await desk.copies()) == {f"f{i}": 1 for i in range(3)}
