"""A registry, an object store, that is away when a version is to be loaded."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from streamapp.act.steps import SetWeight, Wait
from streamapp.models import Registry
from tests.brokers import ApacheKafka
from tests.integration.rollout_field import PATIENCE_S, Field
from tests.object_store import S3Server

pytestmark = pytest.mark.newest_kafka


@pytest.fixture
async def ground(
    kafka_broker: ApacheKafka, s3: S3Server, tmp_path: Path, topic: Callable[[str], str]
) -> AsyncIterator[Field]:
    found = Field(
        kafka_broker.bootstrap_servers, tmp_path, topic, {"session.timeout.ms": 3000, "heartbeat.interval.ms": 500}
    )
    found.registry = Registry(f"s3://{s3.bucket}/{found.name}")
    await found.create()
    found.put("2")
    yield found
    found.close()


async def test_what_serves_goes_on_and_the_next_rollout_finds_the_registry_back(ground: Field, s3: S3Server) -> None:
    await ground.started(2)
    async with ground.feeding(200), ground.control() as client:
        s3.stop()
        try:
            await ground.roll_out(client, "2", SetWeight(50), Wait(1))
            first = await ground.until(client, lambda r: r.over)
        finally:
            s3.start()
        assert first.status == "aborted"
        assert "cannot serve version 2" in first.reason
        assert "Could not connect" in first.reason
        second = await ground.roll_out(client, "2", SetWeight(50), Wait(1))
        rollout = await ground.until(client, lambda r: r.id == second and r.over)
    assert rollout.status == "promoted", rollout.reason
    answers = await ground.answers()
    assert answers.dead == []
    assert answers.versions().keys() == {"1", "2"}
    assert answers.unlawful(client.entries, ground.name) == []


async def test_a_worker_that_starts_meanwhile_ends_with_the_reason_and_starts_once_it_is_back(
    ground: Field, s3: S3Server
) -> None:
    await ground.started(1)
    async with ground.feeding(200), ground.control() as client:
        await ground.roll_out(client, "2", SetWeight(50), Wait())
        await ground.until(client, lambda r: r.weight == 50)
        s3.stop()
        try:
            late = ground.start()
            assert await asyncio.to_thread(late.wait, PATIENCE_S)
        finally:
            s3.start()
        assert late.exit_status == 1
        assert "is to serve what cannot be had here" in ground.said(late)
        await ground.started(1)
    answers = await ground.answers()
    assert answers.dead == []
    assert answers.unlawful(client.entries, ground.name) == []
