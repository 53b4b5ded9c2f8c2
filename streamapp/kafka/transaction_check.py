"""What `delivery: exactly_once` asks of a broker."""

import asyncio
from collections.abc import Container, Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from aiokafka.errors import KafkaError, TopicAuthorizationFailedError, TransactionalIdAuthorizationFailed

from streamapp.config.settings import PipelineSettings
from streamapp.errors import BrokerUnavailable, ConfigError, PublishError
from streamapp.kafka.app import group_id
from streamapp.kafka.grants import READ, WRITE, Need, lacking
from streamapp.kafka.ledger import Partition
from streamapp.kafka.partition_transactions import Transactional
from streamapp.kafka.sending import BATCH_BYTES, Refused, discard
from streamapp.kafka.stable_offsets import stable_offset
from streamapp.kafka.transaction_queries import traces

NOBODY = -1
"""A producer id that no producer has."""
ASK_S = 1.0
"""For an answer that may be held up by what the work itself copes with."""


def transactional(settings: PipelineSettings, options: Mapping[str, Any]) -> Transactional:
    """What the pipeline's transactions have in common.

    A worker that died leaves one open, which holds up every `read_committed` reader until the group has given the
    partition to another or the transaction times out: both after the session's timeout.
    """
    outputs = (settings.predictions.topic, settings.dead_letters.topic)
    return Transactional(group_id(settings), options, settings.kafka.session_timeout_ms / 1000, outputs)


async def check_transactions(
    settings: PipelineSettings, options: Mapping[str, Any], topics: Container[str] | None = None
) -> None:
    """Open and leave a transactional producer. Raises `ConfigError` where the broker cannot do what `exactly_once`
    needs, with the reason, and `BrokerUnavailable` where it does not answer.

    A commit that a dead worker left pending on an input partition and an output partition without a leader are no
    reason to refuse: whoever is assigned the partition ends the one, and waits for the other.

    topics: those that exist, as asking about another one may create it; None for all.
    """
    common = transactional(settings, options)
    probe = Partition("", 0)  # no topic has this name, so that nobody is fenced
    try:
        producer = await common.producer(probe, BATCH_BYTES)
    except Refused as error:
        if isinstance(error.__cause__, TransactionalIdAuthorizationFailed):
            raise ConfigError(_not_granted([f"Write on transactional ids that begin with {common.group}:"])) from error
        raise ConfigError(_cannot(f"transactions are refused: {error}")) from error
    except PublishError as error:
        raise BrokerUnavailable(str(error)) from error
    outputs = tuple(topic for topic in common.outputs if topics is None or topic in topics)
    source = Partition(settings.source.topics[0], 0)
    try:
        with suppress(asyncio.TimeoutError):
            if missing := await asyncio.wait_for(lacking(producer.client, needs(settings)), ASK_S):
                raise ConfigError(_not_granted(missing))
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(stable_offset(producer.client, common.group, source), ASK_S)
        with suppress(asyncio.TimeoutError):
            partitions = await replace(common, outputs=outputs).output_partitions(producer, source)
            await asyncio.wait_for(traces(producer.client, NOBODY, partitions), ASK_S)
    except TopicAuthorizationFailedError as error:
        raise ConfigError(_cannot(f"what is open in {error} may not be read")) from error
    except KafkaError as error:
        if error.retriable:
            raise BrokerUnavailable(f"what is open could not be read: {error!r}") from error
        raise ConfigError(_cannot(f"{type(error).__name__}: {error}")) from error
    finally:
        await discard(producer)


def needs(settings: PipelineSettings) -> list[Need]:
    """What a worker's user must be granted beside its transactional ids."""
    answers = (settings.predictions.topic, settings.dead_letters.topic)
    read = [*settings.source.topics, *answers]  # answers: what is open in them is looked for
    read += [] if settings.outcomes is None else [settings.outcomes.topic]
    written = [*answers, *([] if settings.alerts is None else [settings.alerts.topic])]
    return [
        Need(READ, "group", group_id(settings)),
        *(Need(READ, "topic", topic) for topic in read),
        *(Need(WRITE, "topic", topic) for topic in written),
    ]


def _not_granted(grants: Iterable[object]) -> str:
    return (
        f"delivery: exactly_once is not possible for this user, who lacks {'; '.join(map(str, grants))}: grant it "
        "(kafka-acls.sh --add --allow-principal …), or set `delivery: at_least_once`, which needs less"
    )


def _cannot(reason: str) -> str:
    return (
        f"delivery: exactly_once is not possible with this broker: {reason}. Use Apache Kafka 2.5 or newer, allow "
        "Write on transactional ids that begin with the group's name and Read on the output topics, or set "
        "`delivery: at_least_once`"
    )
