"""What the broker lets this user do with topics and a group (KIP-430): requests that aiokafka does not have."""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from aiokafka.client import AIOKafkaClient, ConnectionGroup, CoordinationType
from aiokafka.errors import (
    CoordinatorLoadInProgressError,
    CoordinatorNotAvailableError,
    GroupAuthorizationFailedError,
    IncompatibleBrokerVersion,
    NoError,
    NotCoordinatorError,
    TopicAuthorizationFailedError,
    for_code,
)
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import Array, Boolean, Bytes, Int16, Int32, Schema, String

READ, WRITE = 3, 4
"""Kafka's codes of operations on a resource; `Describe` comes with either."""
NOT_TOLD = -(2**31)
LOOK_AGAIN_S = 0.02

_NAMES = {READ: "Read", WRITE: "Write"}
_COORDINATOR_MOVES = (CoordinatorLoadInProgressError, CoordinatorNotAvailableError, NotCoordinatorError)


class Need(NamedTuple):
    """An operation, by its code, on a topic or a group."""

    operation: int
    kind: str
    name: str

    def __str__(self) -> str:
        return f"{_NAMES[self.operation]} on {self.kind} {self.name}"


class _MetadataResponse_v8(Response):  # type: ignore[misc]
    API_KEY = 3
    API_VERSION = 8
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "brokers",
            Array(("node_id", Int32), ("host", String("utf-8")), ("port", Int32), ("rack", String("utf-8"))),
        ),
        ("cluster_id", String("utf-8")),
        ("controller_id", Int32),
        (
            "topics",
            Array(
                ("error_code", Int16),
                ("name", String("utf-8")),
                ("is_internal", Boolean),
                (
                    "partitions",
                    Array(
                        ("error_code", Int16),
                        ("partition", Int32),
                        ("leader", Int32),
                        ("leader_epoch", Int32),
                        ("replicas", Array(Int32)),
                        ("isr", Array(Int32)),
                        ("offline_replicas", Array(Int32)),
                    ),
                ),
                ("operations", Int32),
            ),
        ),
        ("cluster_operations", Int32),
    )


class _Metadata_v8(RequestStruct):  # type: ignore[misc]
    API_KEY = 3
    API_VERSION = 8
    RESPONSE_TYPE = _MetadataResponse_v8
    SCHEMA = Schema(
        ("topics", Array(String("utf-8"))),
        ("allow_auto_topic_creation", Boolean),
        ("include_cluster_operations", Boolean),
        ("include_topic_operations", Boolean),
    )


class _DescribeGroupsResponse_v3(Response):  # type: ignore[misc]
    API_KEY = 15
    API_VERSION = 3
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "groups",
            Array(
                ("error_code", Int16),
                ("group", String("utf-8")),
                ("state", String("utf-8")),
                ("protocol_type", String("utf-8")),
                ("protocol", String("utf-8")),
                (
                    "members",
                    Array(
                        ("member_id", String("utf-8")),
                        ("client_id", String("utf-8")),
                        ("client_host", String("utf-8")),
                        ("metadata", Bytes),
                        ("assignment", Bytes),
                    ),
                ),
                ("operations", Int32),
            ),
        ),
    )


class _DescribeGroups_v3(RequestStruct):  # type: ignore[misc]
    API_KEY = 15
    API_VERSION = 3
    RESPONSE_TYPE = _DescribeGroupsResponse_v3
    SCHEMA = Schema(("groups", Array(String("utf-8"))), ("include_operations", Boolean))


class _TopicOperations(Request[_Metadata_v8]):  # type: ignore[misc]
    API_KEY = 3

    def __init__(self, topics: Iterable[str]) -> None:
        self._topics = list(topics)

    def build(self, request_struct_class: Any) -> Any:
        return request_struct_class(self._topics, False, False, True)

    def prepare(self, versions: dict[int, tuple[int, int]]) -> Any:
        return _only(_Metadata_v8, versions, self)


class _GroupOperations(Request[_DescribeGroups_v3]):  # type: ignore[misc]
    API_KEY = 15

    def __init__(self, group: str) -> None:
        self._group = group

    def build(self, request_struct_class: Any) -> Any:
        return request_struct_class([self._group], True)

    def prepare(self, versions: dict[int, tuple[int, int]]) -> Any:
        return _only(_DescribeGroups_v3, versions, self)


def _only(struct: Any, versions: Mapping[int, tuple[int, int]], request: Any) -> Any:
    lowest, highest = versions.get(struct.API_KEY, (0, -1))
    if not lowest <= struct.API_VERSION <= highest:
        raise IncompatibleBrokerVersion(f"{struct.__name__} is not known to this broker")
    return request.build(struct)


async def lacking(client: AIOKafkaClient, needs: Iterable[Need]) -> list[Need]:
    """Those of `needs` that the broker does not grant; none where it does not tell (before Kafka 2.3).

    Topics that do not exist are passed over. Waits for a coordinator: the caller brings the time limit. Raises
    `KafkaError`.
    """
    wanted = list(needs)
    try:
        granted = await _topics(client, {need.name for need in wanted if need.kind == "topic"})
        for group in {need.name for need in wanted if need.kind == "group"}:
            granted[("group", group)] = await _group(client, group)
    except IncompatibleBrokerVersion:
        return []
    return [need for need in wanted if not granted.get((need.kind, need.name), NOT_TOLD) & _bits(need)]


def _bits(need: Need) -> int:
    # What is not told counts as granted: its one bit is asked for as well.
    return 1 << need.operation | NOT_TOLD


async def _topics(client: AIOKafkaClient, topics: set[str]) -> dict[tuple[str, str], int]:
    response = await client.send(client.get_random_node(), _TopicOperations(topics))
    granted = {("topic", name): operations for code, name, _, _, operations in response.topics if code == 0}
    hidden = [name for code, name, *_ in response.topics if for_code(code) is TopicAuthorizationFailedError]
    return granted | dict.fromkeys((("topic", name) for name in hidden), 0)


async def _group(client: AIOKafkaClient, group: str) -> int:
    while True:
        try:
            node = await client.coordinator_lookup(CoordinationType.GROUP, group)
            response = await client.send(node, _GroupOperations(group), group=ConnectionGroup.COORDINATION)
        except GroupAuthorizationFailedError:
            return 0
        except _COORDINATOR_MOVES:
            await asyncio.sleep(LOOK_AGAIN_S)
            continue
        (code, *_, operations), *_ = response.groups
        error = for_code(code)
        if error is NoError:
            return int(operations)
        if error is GroupAuthorizationFailedError:
            return 0
        if error not in _COORDINATOR_MOVES:
            raise error(group)
        await asyncio.sleep(LOOK_AGAIN_S)
