"""The topic that remembers which letters were sent back."""

from collections.abc import Mapping
from typing import Any

from streamapp.kafka.reading import read_topic

SUFFIX = ".replayed"


def marker_topic(dead_letters: str) -> str:
    """Name of the marker topic of a dead-letter topic."""
    return dead_letters + SUFFIX


async def read_markers(options: Mapping[str, Any], topic: str, partitions: int) -> set[str]:
    """The keys of all markers; none where the topic is not there (0 partitions)."""
    found: set[str] = set()
    async for records in read_topic(options, topic, range(partitions)):
        found.update(key.decode("utf-8", "replace") for key in records.keys if key is not None)
    return found
