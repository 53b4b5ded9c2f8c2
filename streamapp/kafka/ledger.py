"""Which offsets may be committed: per partition, the end of the contiguous settled prefix.

Pure: no clock, no I/O. An offset is *opened* when its record is handed to the worker and *settled* once
everything that answers it is durable. Spans are opened back to back, in offset order, and settled in any order
and in any pieces; a span covers offsets without records too (compacted away, transaction markers), because it
runs from where the consumer stood to where it stood afterwards.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple


class Partition(NamedTuple):
    """A topic's partition."""

    topic: str
    number: int


@dataclass(frozen=True, slots=True)
class Span:
    """Offsets [start, stop) of a partition, held by this worker in one generation of its consumer group.

    log: how often the partition's log had moved under the consumer (see `Ledger.restart`) when the span was opened.
    """

    partition: Partition
    generation: int
    start: int
    stop: int
    log: int = 0

    def piece(self, start: int, stop: int) -> "Span":
        """The part [start, stop) of this span. Raises ValueError where it is not within."""
        if not self.start <= start <= stop <= self.stop:
            raise ValueError(f"[{start}, {stop}) is not within {self}")
        return replace(self, start=start, stop=stop)


class OutOfPlace(Exception):
    """A span does not start where the last one of its partition stopped.

    expected: the offset where it should start.
    """

    def __init__(self, span: Span, expected: int) -> None:
        super().__init__(f"{span} should start at {expected}")
        self.expected = expected


@dataclass(slots=True)
class _Page:
    generation: int
    log: int = 0
    done: int | None = None  # end of the settled prefix; None until the first span says where the partition starts
    opened: int | None = None
    committed: int | None = None
    settled: dict[int, int] = field(default_factory=dict)  # start -> stop of what is settled beyond `done`


class Ledger:
    """The open and settled offsets of every partition that this worker holds."""

    def __init__(self) -> None:
        self._pages: dict[Partition, _Page] = {}

    def assign(self, partitions: Iterable[Partition], generation: int) -> None:
        """Start clean pages; whatever was known of these partitions is dropped."""
        for partition in partitions:
            self._pages[partition] = _Page(generation)

    def drop(self, partitions: Iterable[Partition]) -> None:
        """Forget partitions that this worker lost. Spans of theirs are settled in vain from now on."""
        for partition in partitions:
            self._pages.pop(partition, None)

    def assigned(self, partition: Partition) -> bool:
        """Whether this worker holds the partition."""
        return partition in self._pages

    def holds(self, span: Span) -> bool:
        """Whether the span is still this worker's to answer and to settle."""
        return self._page(span) is not None

    def open(self, span: Span) -> Span | None:
        """Take a span in and give back the one to settle. None, and nothing changes, where its generation is over.

        The first span of a partition says where it starts. Raises `OutOfPlace` where another does not start at the
        end of what was opened before: records are missing in between, or come a second time.
        """
        page = self._pages.get(span.partition)
        if page is None or page.generation != span.generation:
            return None
        if page.opened is None:
            page.done = span.start
        elif span.start != page.opened:
            raise OutOfPlace(span, page.opened)
        page.opened = span.stop
        return replace(span, log=page.log)

    def restart(self, span: Span) -> Span | None:
        """Like `open`, letting the partition go on at `span` though it is out of place: the log moved.

        What was open before is given up: settling it has no effect any more. The caller says so loudly.
        """
        page = self._pages.get(span.partition)
        if page is None or page.generation != span.generation:
            return None
        self._pages[span.partition] = _Page(page.generation, page.log + 1)
        return self.open(span)

    def settle(self, span: Span) -> bool:
        """Mark a span, or a piece of one, as answered durably. False, and nothing changes, where it is not held.

        Raises ValueError for offsets that were never opened or are settled already: a bug in the caller.
        """
        page = self._page(span)
        if page is None or page.done is None or page.opened is None:
            return False
        if span.start == span.stop:
            return True  # nothing to settle, also where what follows it is settled already
        if span.start < page.done or span.stop > page.opened or self._overlaps(page, span):
            raise ValueError(f"{span} is not open: settled to {page.done}, opened to {page.opened}")
        page.settled[span.start] = span.stop
        while page.done in page.settled:
            page.done = page.settled.pop(page.done)
        return True

    def committable(self) -> dict[Partition, int]:
        """Partition -> offset to commit (the next one to consume), where that differs from the last commit.

        That includes where a partition started: with `auto.offset.reset: latest` a worker that dies before its
        first batch would otherwise skip what arrived meanwhile.
        """
        return {
            partition: page.done
            for partition, page in self._pages.items()
            if page.done is not None and page.done != page.committed
        }

    def committed(self, offsets: Mapping[Partition, int], generation: int) -> None:
        """The broker has stored `offsets`."""
        for partition, offset in offsets.items():
            page = self._pages.get(partition)
            if page is not None and page.generation == generation:
                page.committed = offset

    def settled_to(self, partition: Partition) -> int | None:
        """End of the settled prefix; None where the partition is not held or nothing of it was opened."""
        page = self._pages.get(partition)
        return None if page is None else page.done

    def oldest_open(self) -> dict[Partition, int]:
        """Partition -> lowest offset that was opened and is not settled; partitions with nothing open left out."""
        return {
            partition: page.done
            for partition, page in self._pages.items()
            if page.done is not None and page.done != page.opened
        }

    def _page(self, span: Span) -> _Page | None:
        page = self._pages.get(span.partition)
        if page is None or page.generation != span.generation or page.log != span.log:
            return None
        return page

    @staticmethod
    def _overlaps(page: _Page, span: Span) -> bool:
        return any(start < span.stop and span.start < stop for start, stop in page.settled.items())
