"""The topics that a look at dead letters needs."""

from collections.abc import AsyncIterator, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from streamapp.config.settings import PipelineSettings
from streamapp.errors import ConfigError
from streamapp.kafka.markers import marker_topic
from streamapp.kafka.reading import read_topic
from streamapp.kafka.topics import connect, create_topic, partition_counts
from streamapp.types import RecordBatch

WAIT_S = 10.0
"""How long a command waits for the broker at most."""


@dataclass(frozen=True, slots=True)
class Shelf:
    """The dead-letter topic and the number of partitions of each topic around it.

    partitions: topic -> count, absent topics left out.
    """

    topic: str
    marker_topic: str
    partitions: Mapping[str, int]

    @property
    def marker_partitions(self) -> int:
        """0 where nothing was ever sent back."""
        return self.partitions.get(self.marker_topic, 0)

    def read(self, client: Mapping[str, Any], partitions: Collection[int] | None = None) -> AsyncIterator[RecordBatch]:
        """The records of the dead-letter topic, or of some of its partitions, up to where it ends now."""
        there = range(self.partitions[self.topic])
        return read_topic(client, self.topic, there if partitions is None else [p for p in partitions if p in there])


async def open_shelf(settings: PipelineSettings, client: Mapping[str, Any], *, create_markers: bool) -> Shelf:
    """Look the topics up. Raises `BrokerUnavailable`, and `ConfigError` where there is no dead-letter topic."""
    topic = settings.dead_letters.topic
    markers = marker_topic(topic)
    admin = await connect(client, min(WAIT_S, settings.worker.broker_wait_s))
    try:
        names = [topic, markers, *settings.source.topics]
        found = await partition_counts(admin, names)
        if topic not in found:
            raise ConfigError(f"the broker has no dead-letter topic {topic}: check `dead_letters.topic`")
        if create_markers and markers not in found:
            # Compacted: a marker is never too old.
            found[markers] = await create_topic(admin, markers, 1, {"cleanup.policy": "compact"}) or 1
        return Shelf(topic, markers, found)
    finally:
        await admin.close()
