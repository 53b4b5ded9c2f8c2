"""What brokers say of transactions (KIP-664): requests that aiokafka does not have."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from aiokafka.client import AIOKafkaClient, ConnectionGroup, CoordinationType
from aiokafka.errors import (
    CoordinatorLoadInProgressError,
    CoordinatorNotAvailableError,
    IncompatibleBrokerVersion,
    LeaderNotAvailableError,
    NoError,
    NotCoordinatorError,
    NotLeaderForPartitionError,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
    for_code,
)
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import CompactArray, CompactString, Int16, Int32, Int64, Schema, TaggedFields
from aiokafka.structs import TopicPartition

LOOK_AGAIN_S = 0.02
TRANSACTIONAL_ID_NOT_FOUND = 105

_COORDINATOR_MOVES = (CoordinatorLoadInProgressError, CoordinatorNotAvailableError, NotCoordinatorError)
LEADER_MOVES = (LeaderNotAvailableError, NotLeaderForPartitionError, UnknownTopicOrPartitionError)


class _DescribeTransactionsResponse(Response):  # type: ignore[misc]
    API_KEY = 65
    API_VERSION = 0
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "transactions",
            CompactArray(
                ("error_code", Int16),
                ("transactional_id", CompactString("utf-8")),
                ("state", CompactString("utf-8")),
                ("timeout_ms", Int32),
                ("start_time_ms", Int64),
                ("producer_id", Int64),
                ("producer_epoch", Int16),
                (
                    "topics",
                    CompactArray(
                        ("name", CompactString("utf-8")), ("partitions", CompactArray(Int32)), ("tags", TaggedFields)
                    ),
                ),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )


class _DescribeTransactions_v0(RequestStruct):  # type: ignore[misc]
    API_KEY = 65
    API_VERSION = 0
    RESPONSE_TYPE = _DescribeTransactionsResponse
    FLEXIBLE_VERSION = True
    SCHEMA = Schema(("transactional_ids", CompactArray(CompactString("utf-8"))), ("tags", TaggedFields))


class _DescribeTransactions(Request[_DescribeTransactions_v0]):  # type: ignore[misc]
    API_KEY = 65

    def __init__(self, transactional_id: str) -> None:
        self._transactional_id = transactional_id

    def build(self, request_struct_class: Any) -> Any:
        return request_struct_class([self._transactional_id], {})


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
    API_KEY = 61

    def __init__(self, partitions: Iterable[TopicPartition]) -> None:
        self._topics: defaultdict[str, list[int]] = defaultdict(list)
        for tp in partitions:
            self._topics[tp.topic].append(tp.partition)

    def build(self, request_struct_class: Any) -> Any:
        return request_struct_class([(topic, numbers, {}) for topic, numbers in self._topics.items()], {})


class Trace(NamedTuple):
    """What a partition knows of a producer id.

    begins: offset at which its open transaction begins, -1 without one. last_ms: timestamp of what it wrote last, and
    where nothing is open that is the marker.
    """

    begins: int
    last_ms: int


class Latest(NamedTuple):
    """A transactional id's latest transaction: its state in Kafka's words (`Ongoing`, `CompleteCommit`, …)."""

    state: str
    producer_id: int


async def latest_transaction(client: AIOKafkaClient, transactional_id: str) -> Latest | None:
    """What the coordinator knows of the id, once it is not about to write markers; None where it knows nothing, or is
    too old to say (before Kafka 3.0).

    Waits for as long as markers are being written: the caller brings the time limit. Raises `KafkaError`.
    """
    while True:
        try:
            node = await client.coordinator_lookup(CoordinationType.TRANSACTION, transactional_id)
            request = _DescribeTransactions(transactional_id)
            response = await client.send(node, request, group=ConnectionGroup.COORDINATION)
        except IncompatibleBrokerVersion:
            return None
        except _COORDINATOR_MOVES:
            await asyncio.sleep(LOOK_AGAIN_S)
            continue
        (code, _, state, _, _, producer_id, *_), *_ = response.transactions
        if code == TRANSACTIONAL_ID_NOT_FOUND:
            return None
        error = for_code(code)
        if error is NoError and not state.startswith("Prepare"):
            return Latest(state, producer_id)
        if error is not NoError and error not in _COORDINATOR_MOVES:
            raise error(transactional_id)
        await asyncio.sleep(LOOK_AGAIN_S)


async def traces(
    client: AIOKafkaClient, producer_id: int, partitions: Iterable[TopicPartition]
) -> dict[TopicPartition, Trace]:
    """Those of `partitions` that know the producer id, and what they know; none where the broker is too old to say
    (before Kafka 2.8).

    Waits for partitions without a leader: the caller brings the time limit. Raises `KafkaError`, among them
    `TopicAuthorizationFailedError` where a topic may not be read.
    """
    unknown = set(partitions)
    found: dict[TopicPartition, Trace] = {}
    while True:
        for leader, theirs in _by_leader(client, unknown).items():
            try:
                response = await client.send(leader, _DescribeProducers(theirs))
            except IncompatibleBrokerVersion:
                return {}
            for tp, code, known in _rows(response):
                error = for_code(code)
                if error in LEADER_MOVES:
                    continue
                if error is not NoError:
                    raise error(tp.topic) if error is TopicAuthorizationFailedError else error(f"{tp}")
                unknown.discard(tp)
                if producer_id in known:
                    found[tp] = known[producer_id]
        if not unknown:
            return found
        await client.force_metadata_update()
        await asyncio.sleep(LOOK_AGAIN_S)


def _by_leader(client: AIOKafkaClient, partitions: Iterable[TopicPartition]) -> dict[int, list[TopicPartition]]:
    found: defaultdict[int, list[TopicPartition]] = defaultdict(list)
    for tp in partitions:
        leader = client.cluster.leader_for_partition(tp)
        if leader is not None and leader >= 0:
            found[leader].append(tp)
    return found


def _rows(response: Any) -> Iterator[tuple[TopicPartition, int, dict[int, Trace]]]:
    """Partition, error code, and the traces of the active producers by their ids."""
    for topic, partitions, _ in response.topics:
        for number, code, _, producers, _ in partitions:
            yield TopicPartition(topic, number), code, {row[0]: Trace(row[5], row[3]) for row in producers}
