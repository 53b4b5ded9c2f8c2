"""The topic that remembers which letters were sent back."""

import logging
from collections.abc import Mapping
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from streamapp.errors import ConfigError
from streamapp.kafka.reading import read_topic
from streamapp.kafka.topics import REPLICAS

log = logging.getLogger(__name__)

SUFFIX = ".replayed"


def marker_topic(dead_letters: str) -> str:
    """Name of the marker topic of a dead-letter topic."""
    return dead_letters + SUFFIX


async def create_marker_topic(admin: AIOKafkaAdminClient, topic: str) -> None:
    """One partition, compacted: a marker is never too old. Raises `ConfigError` if the broker refuses."""
    brokers = len((await admin.describe_cluster())["brokers"])
    config = {"cleanup.policy": "compact"}
    try:
        response = await admin.create_topics([NewTopic(topic, 1, min(REPLICAS, brokers), topic_configs=config)])
    except TopicAlreadyExistsError:
        return
    except KafkaError as error:
        raise ConfigError(f"topic {topic} cannot be created: {error!r}") from error
    for _, code, reason in response.topic_errors:
        if code not in (0, TopicAlreadyExistsError.errno):
            raise ConfigError(
                f"topic {topic} cannot be created: {reason or for_code(code).__name__}; create it with one partition "
                "and cleanup.policy=compact"
            )
    log.info("created topic %s", topic)


async def read_markers(options: Mapping[str, Any], topic: str, partitions: int) -> set[str]:
    """The keys of all markers; none where the topic is not there (0 partitions)."""
    found: set[str] = set()
    async for records in read_topic(options, topic, range(partitions)):
        found.update(key.decode("utf-8", "replace") for key in records.keys if key is not None)
    return found
