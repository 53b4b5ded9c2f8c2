"""Dead letters on real Kafka: what is sent back twice, or half, is seen once by a reader of what is committed."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import astuple
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from aiokafka.structs import TopicPartition

from streamapp.dlq.choose import Fate
from streamapp.dlq.copy import copy_of
from streamapp.dlq.letter import letters
from streamapp.dlq.replay import copy_transactions
from streamapp.dlq.shelf import open_shelf
from streamapp.errors import PublishError
from streamapp.kafka.client import connection
from streamapp.kafka.copies import Copy, CopyWriter
from streamapp.kafka.copy_transactions import CopyTransactions
from streamapp.kafka.markers import marker_topic
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


@asynccontextmanager
async def forgetting(desk: Desk, *forgotten: str) -> AsyncIterator[tuple[CopyWriter, list[Copy]]]:
    """A writer, and the copies of all letters. Of these topics the coordinator knows nothing in the first transaction:
    as if it had left them out when it ended it."""
    client = connection(desk.settings().kafka)
    shelf = await open_shelf(desk.settings(), client, create_markers=True)
    found = [letter async for records in shelf.read(client) for letter in letters(records)]
    writer = CopyWriter(client, shelf.marker_topic, copy_transactions(client, shelf, [desk.source]))
    await writer.start()
    producer = writer._producer
    assert producer is not None
    begin, manager = producer.begin_transaction, producer._txn_manager

    async def begin_and_forget() -> None:
        producer.begin_transaction = begin
        await begin()
        for topic in (desk.dead, *forgotten):
            for number in await producer.partitions_for(topic):
                known = topic == desk.dead
                (manager.maybe_add_partition_to_txn if known else manager._txn_partitions.add)(
                    TopicPartition(topic, number)
                )

    producer.begin_transaction = begin_and_forget
    try:
        ordered = sorted(found, key=lambda letter: letter.failed_key)
        yield writer, [copy_of(x, x.source, 2, False, 0) for x in ordered if x.source]
    finally:
        await writer.stop()


class TestForgottenOnKafka:
    @pytest.fixture
    async def desk(self, credulous_broker: ApacheKafka, tmp_path: Path, topic: Callable[[str], str]) -> Desk:
        found = Desk(credulous_broker.bootstrap_servers, tmp_path, topic, transactions=True)
        await found.create()
        await found.fail([flight(i) for i in range(6)])
        return found

    @pytest.mark.parametrize("commit", [False, True])
    @pytest.mark.parametrize("markers", [False, True])
    async def test_what_the_broker_forgot_of_a_killed_replay_is_seen_once(
        self, desk: Desk, commit: bool, markers: bool
    ) -> None:
        async with forgetting(desk) as (writer, copies):
            assert await writer.write(copies[:2]) == []
        async with forgetting(desk, marker_topic(desk.dead) if markers else desk.source) as (writer, copies):
            assert writer._producer is not None
            end = writer._producer.commit_transaction

            async def killed() -> None:
                if commit:
                    await end()
                raise KafkaError("killed")

            writer._producer.commit_transaction = killed
            with pytest.raises(PublishError, match="killed"):
                await writer.write(copies[2:5])
        tally = await desk.replay()
        done = 5 if commit else 2
        assert (tally.fates[Fate.REPLAYED], tally.fates[Fate.ALREADY]) == (6 - done, done)
        assert ids(await desk.copies()) == {f"f{i}": 1 for i in range(6)}

    async def test_a_commit_that_was_forgotten_everywhere_is_done_again(self, desk: Desk) -> None:
        async with forgetting(desk, marker_topic(desk.dead), desk.source) as (writer, copies):
            assert writer._transactions is not None
            writer._transactions = Unconfirmed(*astuple(writer._transactions))
            assert await writer.write(copies[2:5]) == []
        assert (await desk.replay()).fates[Fate.REPLAYED] == 6
        assert ids(await desk.copies()) == {f"f{i}": 1 for i in range(6)}

    async def test_what_the_broker_forgot_of_a_commit_is_committed_at_once(self, desk: Desk) -> None:
        async with forgetting(desk, marker_topic(desk.dead), desk.source) as (writer, copies):
            assert await writer.write(copies[:5]) == []
            assert ids(await desk.copies()) == {f"f{i}": 1 for i in range(5)}
        assert (await desk.replay()).fates[Fate.ALREADY] == 5


class Unconfirmed(CopyTransactions):
    async def confirm(self, producer: AIOKafkaProducer, written: set[TopicPartition]) -> None:
        """The writer was killed before."""


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
        first = CopyWriter(client, shelf.marker_topic, copy_transactions(client, shelf, [desk.source]))
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
        first = Overtaken(client, shelf.marker_topic, copy_transactions(client, shelf, [desk.source]))
        await first.start()
        try:
            with pytest.raises(PublishError, match="another replay"):
                await first.write([copy_of(x, x.source, 2, False, 0) for x in found if x.source])
        finally:
            await first.stop()
        assert ids(await desk.copies()) == {f"f{i}": 1 for i in range(3)}
