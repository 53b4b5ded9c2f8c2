"""The three topics of control: what was commanded, what it led to, what workers report."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, for_code

from streamapp.errors import ConfigError
from streamapp.kafka.topics import connect, create_topic, partition_counts

log = logging.getLogger(__name__)

_DAY_MS = "86400000"
_KEPT_FOR_EVER = {"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1"}
BROKER_TIMES = {"message.timestamp.type": "LogAppendTime"}
"""Lets the broker stamp records by its own clock; otherwise they carry their sender's."""


@dataclass(frozen=True, slots=True)
class ControlTopics:
    """log: every command, for ever. state: the latest snapshot per key. reports: the latest of every worker."""

    log: str
    state: str
    reports: str

    @staticmethod
    def of(prefix: str) -> "ControlTopics":
        """Their names."""
        return ControlTopics(f"{prefix}.control.log", f"{prefix}.control.state", f"{prefix}.control.reports")

    @property
    def configs(self) -> Mapping[str, Mapping[str, str]]:
        """How each is to be created."""
        return {
            self.log: {**_KEPT_FOR_EVER, **BROKER_TIMES},
            self.state: {"cleanup.policy": "compact"},
            self.reports: {"cleanup.policy": "compact,delete", "retention.ms": _DAY_MS, **BROKER_TIMES},
        }


@dataclass(frozen=True, slots=True)
class Inspected:
    """A control topic as the broker shows it to us. partitions: 0 where it is not shown. configs: as far as they are
    told. hidden: why they are not, "" if they are."""

    partitions: int
    configs: Mapping[str, str]
    hidden: str


async def inspect_control_topics(
    options: Mapping[str, Any], topics: ControlTopics, wait_s: float
) -> dict[str, Inspected]:
    """The topics as they are; nothing is created.

    Raises `BrokerUnavailable` after `wait_s` seconds without a broker.
    """
    admin = await connect(options, wait_s)
    try:
        found = await partition_counts(admin, list(topics.configs))
        return {topic: Inspected(found.get(topic, 0), *await _configs(admin, topic)) for topic in topics.configs}
    finally:
        await admin.close()


async def prepare_control_topics(options: Mapping[str, Any], topics: ControlTopics, wait_s: float) -> None:
    """Create what is missing, one partition each.

    Raises `BrokerUnavailable` after `wait_s` seconds without a broker, and `ConfigError` for a log that has several
    partitions or would lose commands.
    """
    admin = await connect(options, wait_s)
    try:
        found = await partition_counts(admin, list(topics.configs))
        for topic, configs in topics.configs.items():
            partitions = found.get(topic) or await create_topic(admin, topic, 1, configs)
            if partitions is None:
                continue
            if partitions != 1:
                raise ConfigError(f"topic {topic} has {partitions} partitions, and control needs one order: it takes 1")
            if topic == topics.log:
                await _check_log(admin, topic)
            await _check_times(admin, topic, configs)
    finally:
        await admin.close()


async def _check_log(admin: AIOKafkaAdminClient, topic: str) -> None:
    configs, _ = await _configs(admin, topic)
    for name, needed in _KEPT_FOR_EVER.items():
        if configs.get(name, needed) != needed:
            raise ConfigError(f"topic {topic} has {name}={configs[name]} and would lose commands: set {name}={needed}")


async def _check_times(admin: AIOKafkaAdminClient, topic: str, needed: Mapping[str, str]) -> None:
    """Said and no more: nothing is lost by it, and a broker may not know the setting."""
    configs, _ = await _configs(admin, topic)
    for name, value in BROKER_TIMES.items():
        if name in needed and configs.get(name, value) != value:
            log.warning(
                "topic %s has %s=%s, so pauses and analyses last by the clocks of those who write there: set %s=%s",
                *(topic, name, configs[name], name, value),
            )


async def _configs(admin: AIOKafkaAdminClient, topic: str) -> tuple[dict[str, str], str]:
    """The topic's configuration, nothing where the broker does not tell; and why it does not."""
    try:
        responses = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
    except KafkaError as error:
        log.debug("the broker does not describe topic %s: %r", topic, error)
        return {}, repr(error)
    resources = [resource for response in responses for resource in response.resources]
    refused = next((for_code(code).__name__ for code, *_ in resources if code), "")
    return {entry[0]: entry[1] for *_, entries in resources for entry in entries}, refused
