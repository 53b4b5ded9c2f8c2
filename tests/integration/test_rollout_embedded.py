"""Rollouts on the embedded broker."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from streamapp.demo.broker import EmbeddedBroker
from tests.integration.rollout_cases import RolloutCases
from tests.integration.rollout_field import Field


@pytest.fixture
async def ground(embedded_broker: EmbeddedBroker, tmp_path: Path, topic: Callable[[str], str]) -> AsyncIterator[Field]:
    quick = {"session.timeout.ms": 2000, "heartbeat.interval.ms": 400, "fetch.max.wait.ms": 20}
    found = Field(embedded_broker.bootstrap_servers, tmp_path, topic, quick)
    await found.create()
    yield found
    found.close()


class TestRolloutsOnTheEmbeddedBroker(RolloutCases):
    pass
