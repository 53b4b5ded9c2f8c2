"""Transactions that the broker has forgotten to end in some partition.

Where a partition has no leader at the moment when a transaction ends, Kafka 4.4.0 takes it for deleted, writes no
marker there and calls the transaction complete (docs/decisions/hanging-transactions.md). What was written stays open:
it holds up `read_committed` readers, and the next transaction of the same producer id decides about it as well.
"""

import asyncio
from collections import defaultdict
from collections.abc import Collection, Iterable
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    IncompatibleBrokerVersion,
    KafkaError,
    LeaderNotAvailableError,
    NoError,
    NotLeaderForPartitionError,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
    for_code,
)
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import CompactArray, CompactString, Int16, Int32, Int64, Schema, TaggedFields
from aiokafka.structs import OffsetAndMetadata, TopicPartition

LOOK_AGAIN_S = 0.05

_TRANSIENT = (LeaderNotAvailableError, NotLeaderForPartitionError, UnknownTopicOrPartitionError)


class _DescribeProducersResponse(Response):  # type: ignore[misc]
    API_KEY = 61
    API_VERSION = 0
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "topics",
            CompactArray(
                ("name", CompactString("utf-8")),
                (
                    "partitions",
                    CompactArray(
                        ("partition", Int32),
                        ("error_code", Int16),
                        ("error_message", CompactString("utf-8")),
                        (
                            "active_producers",
                            CompactArray(
                                ("producer_id", Int64),
                                ("producer_epoch", Int32),
                                ("last_sequence", Int32),
                                ("last_timestamp", Int64),
                                ("coordinator_epoch", Int32),
                                ("current_txn_start_offset", Int64),
                                ("tags", TaggedFields),
                            ),
                        ),
                        ("tags", TaggedFields),
                    ),
                ),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )


class _DescribeProducers_v0(RequestStruct):  # type: ignore[misc]
    API_KEY = 61
    API_VERSION = 0
    RESPONSE_TYPE = _DescribeProducersResponse
    FLEXIBLE_VERSION = True
    SCHEMA = Schema(
        (
            "topics",
            CompactArray(("name", CompactString("utf-8")), ("partitions", CompactArray(Int32)), ("tags", TaggedFields)),
        ),
        ("tags", TaggedFields),
    )


class _DescribeProducers(Request[_DescribeProducers_v0]):  # type: ignore[misc]
    """KIP-664."""

    API_KEY = 61

    def __init__(self, partitions: Iterable[TopicPartition]) -> None:
        self._topics: defaultdict[str, list[int]] = defaultdict(list)
        for tp in partitions:
            self._topics[tp.topic].append(tp.partition)

    def build(self, request_struct_class: Any) -> Any:
        return request_struct_class([(topic, numbers, {}) for topic, numbers in self._topics.items()], {})


async def hanging(producer: AIOKafkaProducer, topics: Collection[str]) -> set[TopicPartition]:
    """Partitions of `topics` in which a transaction of the producer's id is open; none where the broker is too old to
    say (before Kafka 2.8).

    Call it before the producer begins one of its own. Waits for partitions without a leader: the caller brings the
    time limit. Raises `KafkaError`, `TopicAuthorizationFailedError` where the producer's user may not read the topics.
    """
    unknown = {TopicPartition(topic, n) for topic in topics for n in await producer.partitions_for(topic)}
    found: set[TopicPartition] = set()
    while True:
        by_leader: defaultdict[int, list[TopicPartition]] = defaultdict(list)
        for tp in unknown:
            leader = producer.client.cluster.leader_for_partition(tp)
            if leader is not None and leader >= 0:
                by_leader[leader].append(tp)
        for leader, partitions in by_leader.items():
            try:
                response = await producer.client.send(leader, _DescribeProducers(partitions))
            except IncompatibleBrokerVersion:
                return found
            for tp, code, producers in _rows(response):
                error = for_code(code)
                if error in _TRANSIENT:
                    continue
                if error is not NoError:
                    raise _raised(error, tp)
                unknown.discard(tp)
                if any(id_ == producer._txn_manager.producer_id and start >= 0 for id_, start in producers):
                    found.add(tp)
        if not unknown:
            return found
        await producer.client.force_metadata_update()
        await asyncio.sleep(LOOK_AGAIN_S)


async def end(
    producer: AIOKafkaProducer,
    outputs: Iterable[TopicPartition],
    group: str,
    offsets: dict[TopicPartition, OffsetAndMetadata],
    *,
    commit: bool,
) -> None:
    """Commit or abort what is open in `outputs` and of the group's `offsets`: with a transaction that writes nothing
    there, so that its markers end what came before. Raises `KafkaError`."""
    await producer.begin_transaction()
    for tp in outputs:
        producer._txn_manager.maybe_add_partition_to_txn(tp)
    await producer.send_offsets_to_transaction(offsets, group)
    await (producer.commit_transaction() if commit else producer.abort_transaction())


def _rows(response: Any) -> Iterable[tuple[TopicPartition, int, list[tuple[int, int]]]]:
    """Partition, error code, and of each active producer its id and where its open transaction starts, or -1."""
    for topic, partitions, _ in response.topics:
        for number, code, _, producers, _ in partitions:
            yield TopicPartition(topic, number), code, [(row[0], row[5]) for row in producers]


def _raised(error: type[KafkaError], tp: TopicPartition) -> KafkaError:
    if error is TopicAuthorizationFailedError:
        return error(tp.topic)
    return error(f"{tp.topic} {tp.partition}")
