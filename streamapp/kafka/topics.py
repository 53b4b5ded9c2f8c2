"""Reaching the broker at start, and whether the topics that a pipeline needs are there."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaConnectionError, KafkaError, NodeNotReadyError, TopicAlreadyExistsError, for_code

from streamapp.config.settings import PipelineSettings
from streamapp.errors import BrokerUnavailable, ConfigError
from streamapp.kafka.refusal import refusal, unavailable_token

log = logging.getLogger(__name__)

PAUSE_S = 0.2
LONGEST_PAUSE_S = 5.0
REPLICAS = 3
"""Replicas of a topic that is created here, or the number of brokers where there are fewer."""


async def prepare_topics(settings: PipelineSettings, options: Mapping[str, Any]) -> dict[str, int]:
    """Topic -> number of partitions of every topic of the pipeline; missing ones are created if allowed.

    Waits for the broker, up to `worker.broker_wait_s`. Raises `BrokerUnavailable`, or `ConfigError` naming the
    topics that are missing and what to do.
    """
    admin = await connect(options, settings.worker.broker_wait_s)
    try:
        inputs, outputs = topic_names(settings)
        found = await partition_counts(admin, [*inputs, *outputs])
        _refuse_missing(
            [t for t in inputs if t not in found],
            "input",
            "create them, correct their names, or grant this user Describe on them",
        )
        missing = [t for t in outputs if t not in found]
        if not settings.worker.auto_create_topics:
            _refuse_missing(
                missing, "output", "create them, set `worker.auto_create_topics: true`, or grant this user Describe"
            )
        for topic in missing:
            wanted = max(found[t] for t in settings.source.topics)
            found[topic] = await create_topic(admin, topic, wanted) or wanted
        return found
    finally:
        await admin.close()


def topic_names(settings: PipelineSettings) -> tuple[list[str], list[str]]:
    """Input topics and output topics of a pipeline."""
    inputs = [*settings.source.topics]
    if settings.outcomes is not None:
        inputs.append(settings.outcomes.topic)
    outputs = [settings.predictions.topic, settings.dead_letters.topic]
    if settings.alerts is not None:
        outputs.append(settings.alerts.topic)
    return inputs, list(dict.fromkeys(outputs))


async def connect(options: Mapping[str, Any], wait_s: float) -> AIOKafkaAdminClient:
    """An admin client once the broker answers.

    Raises `BrokerUnavailable` after `wait_s` seconds without one, and at once `ConfigError` where the broker refuses
    us for a reason that waiting does not mend, such as a wrong password.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + wait_s
    pause_s = PAUSE_S
    while True:
        admin = AIOKafkaAdminClient(**options)
        try:
            # An address that accepts connections and never answers must not outlast the limit either.
            await asyncio.wait_for(_reach(admin), max(deadline - loop.time(), PAUSE_S))
        except (KafkaConnectionError, NodeNotReadyError, OSError, asyncio.TimeoutError) as error:
            advertised = [f"{broker.host}:{broker.port}" for broker in admin._client.cluster.brokers()]
            await admin.close()
            addresses = dict.fromkeys([*options["bootstrap_servers"], *advertised])
            refused = await refusal({**options, "bootstrap_servers": [*addresses]})
            if refused is not None:
                raise ConfigError(f"Kafka at {refused}") from refused
            reason = await unavailable_token(options) or error
            left_s = deadline - loop.time()
            if left_s <= 0:
                servers = ", ".join(options["bootstrap_servers"])
                raise BrokerUnavailable(
                    f"no Kafka broker answered at {servers} within {wait_s:g} s ({reason}): is it running, and is "
                    "`kafka.bootstrap.servers` right?"
                ) from error
            log.warning("no Kafka broker yet (%s), trying again for %.0f s", reason, left_s)
            await asyncio.sleep(min(pause_s, left_s))
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
        except BaseException:
            await admin.close()
            raise
        else:
            return admin


async def _reach(admin: AIOKafkaAdminClient) -> None:
    await admin.start()
    # The address that a broker advertises is not always the one that it was found at; nor does a start fail when the
    # broker has refused a bearer token.
    await admin.describe_cluster()


async def partition_counts(admin: AIOKafkaAdminClient, topics: Sequence[str]) -> dict[str, int]:
    """Topic -> number of partitions, absent topics left out. Raises `BrokerUnavailable` where it cannot be told."""
    wanted = set(topics)
    found: dict[str, int] = {}
    # All of them: a broker that creates topics automatically would create what is asked for by name.
    for described in await admin.describe_topics():
        if described["topic"] not in wanted:
            continue
        code = described["error_code"]
        if code == 0:
            found[described["topic"]] = len(described["partitions"])
        elif code != _UNKNOWN_TOPIC:
            raise BrokerUnavailable(f"topic {described['topic']} cannot be described: {for_code(code).__name__}")
    return found


async def create_topic(
    admin: AIOKafkaAdminClient, topic: str, partitions: int, configs: Mapping[str, str] | None = None
) -> int | None:
    """Create a topic. None: done; else the number of partitions of one that somebody else created meanwhile.

    Raises `ConfigError` if the broker refuses, and `BrokerUnavailable` where it does not show the topic that it has.
    """
    wanted = {"partitions": partitions, **(configs or {})}
    remedy = "create it with " + ", ".join(f"{name}={value}" for name, value in wanted.items())
    brokers = len((await admin.describe_cluster())["brokers"])
    try:
        response = await admin.create_topics(
            [NewTopic(topic, partitions, min(REPLICAS, brokers), topic_configs=dict(configs or {}))]
        )
    except TopicAlreadyExistsError:
        return await _shown(admin, topic)
    except KafkaError as error:
        raise ConfigError(f"topic {topic} cannot be created: {error!r}; {remedy}") from error
    for _, code, reason in response.topic_errors:
        if code == TopicAlreadyExistsError.errno:
            return await _shown(admin, topic)
        if code:
            raise ConfigError(f"topic {topic} cannot be created: {reason or for_code(code).__name__}; {remedy}")
    log.info("created topic %s with %d partitions", topic, partitions)
    return None


async def _shown(admin: AIOKafkaAdminClient, topic: str) -> int:
    """Partitions of a topic that exists: a broker hears of a new topic a moment after the controller."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + LONGEST_PAUSE_S
    while topic not in (found := await partition_counts(admin, [topic])):
        if loop.time() > deadline:
            raise BrokerUnavailable(f"topic {topic} exists, and the broker does not show it")
        await asyncio.sleep(PAUSE_S)
    return found[topic]


_UNKNOWN_TOPIC = 3


def _refuse_missing(topics: Sequence[str], kind: str, remedy: str) -> None:
    if topics:
        raise ConfigError(f"the broker has no {kind} topics {', '.join(topics)}: {remedy}")
