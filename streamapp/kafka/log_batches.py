"""What lies in a partition's log, record batch by record batch: whose it is, and which transactions were ended how.

A consumer shows neither markers nor producer ids.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import NoError, OffsetOutOfRangeError, for_code
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.protocol.offset import OffsetRequest, OffsetResetStrategy
from aiokafka.record.control_record import COMMIT_MARKER, ControlRecord
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.structs import TopicPartition

from streamapp.kafka.transaction_queries import LEADER_MOVES, LOOK_AGAIN_S
from streamapp.types import Headers

PIECE_BYTES = 2**20
FIRST_STEP = 1_000
FARTHEST_BACK = 200_000
"""Offsets before its end in which a transaction's records are looked for."""
_UNCOMMITTED = 0
_ANYBODY = -1
"""In place of a replica's id."""


class Written(NamedTuple):
    """A record as its producer wrote it."""

    key: bytes | None
    value: bytes | None
    headers: Headers


async def first_written(client: AIOKafkaClient, tp: TopicPartition, producer_id: int, start: int) -> Written | None:
    """The producer id's first record at or after offset `start`, committed or not; None where there is none any more.

    Waits for a leader: the caller brings the time limit. Raises `KafkaError`.
    """
    while True:
        async for batch in _batches(client, tp, start):
            if batch.producer_id == producer_id and (first := _first(batch)) is not None:
                return first
        if await _offset_at(client, tp, OffsetResetStrategy.EARLIEST) > start:
            return None
        await asyncio.sleep(LOOK_AGAIN_S)  # a new leader does not show at once what it has


async def last_committed(client: AIOKafkaClient, tp: TopicPartition, producer_id: int, ended_ms: int) -> Written | None:
    """A record of the last transaction that the producer id wrote in, ended in this partition at about `ended_ms`; None
    where it was aborted, is open, or lies more than `FARTHEST_BACK` offsets before its end. Waits and raises as
    `first_written`."""
    end = await _offset_at(client, tp, ended_ms)
    if end < 0:
        end = await _offset_at(client, tp, OffsetResetStrategy.LATEST)
    back = FIRST_STEP
    while True:
        last, committed = await _last(client, tp, producer_id, max(0, end - back), ended_ms)
        if last is not None or back >= min(end, FARTHEST_BACK):
            return last if committed else None
        back = min(8 * back, FARTHEST_BACK)


async def _last(
    client: AIOKafkaClient, tp: TopicPartition, producer_id: int, start: int, ended_ms: int
) -> tuple[Written | None, bool]:
    """A record of the id's last record batch from `start` on, and whether the marker after it commits: the one of
    `ended_ms`, if it is there."""
    last, outcome = None, None
    async for batch in _batches(client, tp, start):
        if batch.producer_id != producer_id:
            continue
        if not batch.is_control_batch:
            last, outcome = _first(batch) or last, None
        elif outcome is None and (marker := next(iter(batch), None)) is not None:
            outcome = ControlRecord.parse(marker.key) == COMMIT_MARKER
            if marker.timestamp >= ended_ms:
                break
    return last, bool(outcome)


async def _batches(client: AIOKafkaClient, tp: TopicPartition, start: int) -> AsyncIterator[Any]:
    """From the one that holds offset `start` to where the log ends now; what retention took is passed over."""
    stop: int | None = None
    while stop is None or start < stop:
        request = FetchRequest(0, 0, PIECE_BYTES, _UNCOMMITTED, [(tp.topic, [(tp.partition, start, PIECE_BYTES)])])
        try:
            _, _, end, *_, written = await _answer(client, tp, request)
        except OffsetOutOfRangeError:
            earliest = await _offset_at(client, tp, OffsetResetStrategy.EARLIEST)
            if earliest <= start:
                return
            start = earliest
            continue
        stop = end if stop is None else stop
        records = MemoryRecords(written)
        if not records.has_next():
            return
        while records.has_next():
            batch = records.next_batch()
            start = batch.next_offset
            yield batch


async def _offset_at(client: AIOKafkaClient, tp: TopicPartition, time_ms: int) -> int:
    """The first offset whose timestamp is `time_ms` or later, or -1; ends of the log by `OffsetResetStrategy`."""
    request = OffsetRequest(_ANYBODY, _UNCOMMITTED, [(tp.topic, [(tp.partition, time_ms)])])
    row = await _answer(client, tp, request)
    return int(row[3])


async def _answer(client: AIOKafkaClient, tp: TopicPartition, request: FetchRequest | OffsetRequest) -> Any:
    """The leader's row for the partition."""
    while True:
        leader = client.cluster.leader_for_partition(tp)
        if leader is not None and leader >= 0:
            response = await client.send(leader, request)
            ((_, (row,)),) = response.topics
            error = for_code(row[1])
            if error is NoError:
                return row
            if error not in LEADER_MOVES:
                raise error(f"{tp}")
        await client.force_metadata_update()
        await asyncio.sleep(LOOK_AGAIN_S)


def _first(batch: Any) -> Written | None:
    """None of markers, and of a record batch that compaction has emptied."""
    record = None if batch.is_control_batch else next(iter(batch), None)
    return record and Written(record.key, record.value, record.headers)
