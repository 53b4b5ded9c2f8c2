"""The micro-batcher: which waiting rows are scored together, and when.

A pure state machine; the caller brings the time and does the waiting.
"""

from collections import deque
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from streamapp.types import RecordBatch

S = TypeVar("S", bound=Hashable)


@dataclass(frozen=True, slots=True, eq=False)
class Part(Generic[S]):
    """Rows [start, stop) of one arrived chunk. `source` is whatever the caller gave with the chunk."""

    source: S
    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start


@dataclass(frozen=True, slots=True, eq=False)
class MicroBatch(Generic[S]):
    """Rows scored together, oldest first, and the chunks they came from, in the same order."""

    records: RecordBatch
    parts: tuple[Part[S], ...]

    def __len__(self) -> int:
        return len(self.records)


@dataclass(slots=True)
class _Waiting(Generic[S]):
    source: S
    records: RecordBatch
    taken: int
    arrived_s: float


class MicroBatcher(Generic[S]):
    """Joins chunks into batches of at most `max_batch_size` rows.

    A batch is ready once it is full or its oldest row has waited `max_queue_delay_s` (Triton's dynamic
    batcher). Rows leave in the order they arrived; a chunk that does not fit is split.
    """

    def __init__(self, max_batch_size: int, max_queue_delay_s: float) -> None:
        self._max_batch_size = max_batch_size
        self._max_queue_delay_s = max_queue_delay_s
        self._waiting: deque[_Waiting[S]] = deque()
        self._rows = 0

    @property
    def waiting_rows(self) -> int:
        """Rows that have arrived and not been taken."""
        return self._rows

    def add(self, source: S, records: RecordBatch, now_s: float) -> None:
        """Let a chunk join the queue. An empty one is ignored."""
        if len(records):
            self._waiting.append(_Waiting(source, records, 0, now_s))
            self._rows += len(records)

    def ready_at_s(self) -> float | None:
        """Monotonic time at which a batch can be taken; None while nothing waits."""
        if not self._waiting:
            return None
        if self._rows >= self._max_batch_size:
            return self._waiting[0].arrived_s
        return self._waiting[0].arrived_s + self._max_queue_delay_s

    def take(self, now_s: float) -> MicroBatch[S] | None:
        """The next batch if one is ready at `now_s`."""
        ready_at_s = self.ready_at_s()
        if ready_at_s is None or now_s < ready_at_s:
            return None
        return self._take()

    def drop(self, sources: Sequence[S]) -> None:
        """Forget the waiting rows of `sources` (partitions that were revoked)."""
        gone = set(sources)
        self._waiting = deque(w for w in self._waiting if w.source not in gone)
        self._rows = sum(len(w.records) - w.taken for w in self._waiting)

    def _take(self) -> MicroBatch[S]:
        room = self._max_batch_size
        chunks: list[RecordBatch] = []
        parts: list[Part[S]] = []
        while room and self._waiting:
            head = self._waiting[0]
            stop = min(head.taken + room, len(head.records))
            part = Part(head.source, head.taken, stop)
            whole = len(part) == len(head.records)
            chunks.append(head.records if whole else head.records.slice(part.start, part.stop))
            parts.append(part)
            room -= len(part)
            self._rows -= len(part)
            head.taken = stop
            if stop == len(head.records):
                self._waiting.popleft()
        return MicroBatch(RecordBatch.concat(chunks), tuple(parts))
