"""The topics that outcomes are collected from, each read from its beginning to where it ends now."""

from collections.abc import AsyncIterator, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from streamapp.config.settings import PipelineSettings
from streamapp.errors import ConfigError
from streamapp.kafka.client import connection
from streamapp.kafka.reading import read_topic
from streamapp.kafka.topics import connect, partition_counts
from streamapp.types import RecordBatch

WAIT_S = 10.0
"""How long a command waits for the broker at most."""


@dataclass(frozen=True, slots=True)
class Topics:
    """partitions: topic -> how many it has."""

    client: Mapping[str, Any]
    partitions: Mapping[str, int]

    def read(self, topic: str, partitions: Collection[int] | None = None) -> AsyncIterator[RecordBatch]:
        """Committed records of a topic, or of some of its partitions. Raises `BrokerUnavailable`."""
        there = range(self.partitions[topic])
        return read_topic(self.client, topic, there if partitions is None else [p for p in partitions if p in there])


async def open_topics(settings: PipelineSettings, needed: Mapping[str, str]) -> Topics:
    """Look the topics up. needed: topic -> what to do where it is missing.

    Raises `BrokerUnavailable` and `ConfigError`.
    """
    client = connection(settings.kafka)
    admin = await connect(client, min(WAIT_S, settings.worker.broker_wait_s))
    try:
        found = await partition_counts(admin, list(needed))
    finally:
        await admin.close()
    for topic, remedy in needed.items():
        if topic not in found:
            raise ConfigError(f"the broker has no topic {topic}: {remedy}")
    return Topics(client, found)
