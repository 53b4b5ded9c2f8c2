"""What crosses from the consumer to the worker, and what the two ask of each other."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from streamapp.kafka.ledger import Partition, Span
from streamapp.types import Headers, RecordBatch


@dataclass(frozen=True, slots=True, eq=False)
class Chunk:
    """What one fetch brought of one partition; no record at all where the offsets hold only markers.

    moved: the consumer was not standing where it was left: the broker's log was truncated under it.
    size_bytes: what the records' values take.
    """

    span: Span
    records: RecordBatch
    moved: bool = False
    size_bytes: int = 0


Store = Callable[[Mapping[Partition, int]], Awaitable[bool]]
"""Commits offsets for the consumer's group; False where that failed and may be tried again."""


class Intake(Protocol):
    """The worker, as the consumer sees it."""

    def room(self, topic: str) -> int:
        """Rows that may still be handed over from `topic`; 0 or less pauses its partitions. Any thread."""
        ...

    async def commit(self) -> bool:
        """Commit what is settled; whether anything was."""
        ...

    async def revoked(self) -> None:
        """All partitions are about to go: drop what waits, let what is in flight finish, within a limit."""
        ...

    def lost(self, partitions: Iterable[Partition]) -> None:
        """These partitions are gone."""
        ...

    async def assigned(self, partitions: Iterable[Partition], generation: int) -> None:
        """From now on these partitions are held, in this generation."""
        ...


class RawRecord(Protocol):
    """A record as aiokafka's parser gives it."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Headers


def columns(partition: Partition, records: Sequence[RawRecord]) -> RecordBatch:
    """The columns of records of one partition."""
    n = len(records)
    return RecordBatch(
        [partition.topic] * n,
        np.full(n, partition.number, np.int32),
        np.fromiter([record.offset for record in records], np.int64, n),
        np.fromiter([record.timestamp for record in records], np.int64, n),
        [record.key for record in records],
        [record.value for record in records],
        [record.headers for record in records],
    )
