"""Committed offsets that no open transaction can still change.

aiokafka speaks version 3 of OffsetFetch, which answers with the old offset while a transaction that holds a new
one is being completed. Version 7 (KIP-447, Kafka 2.5) says so instead.
"""

import asyncio
import math
from typing import Any, NamedTuple

from aiokafka.client import AIOKafkaClient, ConnectionGroup, CoordinationType
from aiokafka.errors import (
    CoordinatorLoadInProgressError,
    CoordinatorNotAvailableError,
    IncompatibleBrokerVersion,
    KafkaError,
    NoError,
    NotCoordinatorError,
    for_code,
)
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import Boolean, CompactArray, CompactString, Int16, Int32, Int64, Schema, TaggedFields

from streamapp.kafka.ledger import Partition

UNSTABLE_OFFSET_COMMIT = 88
LOOK_AGAIN_S = 0.005

_TRANSIENT = (CoordinatorLoadInProgressError, CoordinatorNotAvailableError, NotCoordinatorError)


class _StableOffsetFetchResponse(Response):  # type: ignore[misc]
    API_KEY = 9
    API_VERSION = 7
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
                        ("offset", Int64),
                        ("leader_epoch", Int32),
                        ("metadata", CompactString("utf-8")),
                        ("error_code", Int16),
                        ("tags", TaggedFields),
                    ),
                ),
                ("tags", TaggedFields),
            ),
        ),
        ("error_code", Int16),
        ("tags", TaggedFields),
    )


class _StableOffsetFetch_v7(RequestStruct):  # type: ignore[misc]
    API_KEY = 9
    API_VERSION = 7
    RESPONSE_TYPE = _StableOffsetFetchResponse
    FLEXIBLE_VERSION = True
    SCHEMA = Schema(
        ("group", CompactString("utf-8")),
        (
            "topics",
            CompactArray(("name", CompactString("utf-8")), ("partitions", CompactArray(Int32)), ("tags", TaggedFields)),
        ),
        ("require_stable", Boolean),
        ("tags", TaggedFields),
    )


class _OffsetFetch(Request[_StableOffsetFetch_v7]):  # type: ignore[misc]
    API_KEY = 9

    def __init__(self, group: str, partition: Partition, stable: bool) -> None:
        self._group, self._partition, self._stable = group, partition, stable

    def build(self, request_struct_class: Any) -> Any:
        topics: list[Any] = [(self._partition.topic, [self._partition.number], {})]
        return request_struct_class(self._group, topics, self._stable, {})

    def prepare(self, versions: dict[int, tuple[int, int]]) -> Any:
        lowest, highest = versions[self.API_KEY]
        if not lowest <= 7 <= highest:
            raise IncompatibleBrokerVersion(
                "exactly_once needs a broker that answers OffsetFetch 7: Kafka 2.5 or newer"
            )
        return super().prepare(versions)


class Standing(NamedTuple):
    """Where a group stands in a partition. offset: what it has committed, None without it. pending: whether a
    transaction that is not over yet, for all the group's coordinator knows, holds another one."""

    offset: int | None
    pending: bool = False


async def stable_offset(client: AIOKafkaClient, group: str, partition: Partition) -> int | None:
    """The offset that `group` has committed for `partition`, None without one, once no transaction is pending.

    Waits for as long as one is: the caller brings the time limit. Raises `KafkaError`.
    """
    return (await standing(client, group, partition, math.inf)).offset


async def standing(client: AIOKafkaClient, group: str, partition: Partition, patience_s: float) -> Standing:
    """Where `group` stands in `partition` once no transaction is pending, or one has been for `patience_s`.

    Waits for a coordinator: the caller brings the time limit. Raises `KafkaError`.
    """
    loop = asyncio.get_running_loop()
    until_s: float | None = None
    while (found := await _ask(client, group, partition, stable=True)).pending:
        until_s = loop.time() + patience_s if until_s is None else until_s
        if loop.time() >= until_s:
            before = await _ask(client, group, partition, stable=False)
            return Standing(before.offset, pending=True)
        await asyncio.sleep(LOOK_AGAIN_S)
    return found


async def _ask(client: AIOKafkaClient, group: str, partition: Partition, *, stable: bool) -> Standing:
    while True:
        try:
            node = await client.coordinator_lookup(CoordinationType.GROUP, group)
            request = _OffsetFetch(group, partition, stable)
            response = await client.send(node, request, group=ConnectionGroup.COORDINATION)
        except _TRANSIENT:
            await asyncio.sleep(LOOK_AGAIN_S)
            continue
        found = [row for _, rows, _ in response.topics for row in rows]
        codes = [response.error_code, *[row[4] for row in found]]
        if any(for_code(code) in _TRANSIENT for code in codes):
            await asyncio.sleep(LOOK_AGAIN_S)
            continue
        if UNSTABLE_OFFSET_COMMIT in codes:
            return Standing(None, pending=True)
        for code in codes:
            if for_code(code) is not NoError:
                raise _named(code)
        return Standing(next((offset for _, offset, *_ in found if offset >= 0), None))


def _named(code: int) -> KafkaError:
    error: KafkaError = for_code(code)()
    return error
