"""Rollouts on real Kafka, with versions exchanged again and again under load."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from tests.brokers import ApacheKafka
from tests.integration.rollout_cases import AllRolloutCases
from tests.integration.rollout_field import Field
from tests.integration.swaps import run

SWAPS = 9


@pytest.fixture
async def ground(kafka_broker: ApacheKafka, tmp_path: Path, topic: Callable[[str], str]) -> AsyncIterator[Field]:
    found = Field(kafka_broker.bootstrap_servers, tmp_path, topic)
    await found.create()
    yield found
    found.close()


@pytest.mark.newest_kafka
class TestRolloutsOnKafka(AllRolloutCases):
    async def test_swaps_in_a_row_lose_nothing(self, ground: Field) -> None:
        found = await run(ground, SWAPS, rate=2_000)
        assert (found.lost, found.repeated, found.dead, found.unlawful) == (0, 0, 0, 0)
