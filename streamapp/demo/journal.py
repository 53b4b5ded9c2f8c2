"""What the broker acknowledged, one line per event: partition, offset, id, and what was broken on purpose."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType


@dataclass(frozen=True, slots=True)
class Entry:
    """One acknowledged event. fault: empty for a healthy one."""

    partition: int
    offset: int
    flight_id: str
    fault: str


class Journal:
    """Appends entries to a file; every `flush` leaves whole lines."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("w", encoding="utf-8")
        self.entries = 0

    def add(self, entry: Entry) -> None:
        """Note one event."""
        self._file.write(f"{entry.partition}\t{entry.offset}\t{entry.flight_id}\t{entry.fault}\n")
        self.entries += 1

    def flush(self) -> None:
        """Make it readable for others."""
        self._file.flush()

    def __enter__(self) -> "Journal":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()


def read_journal(path: Path) -> Iterator[Entry]:
    """The entries in the order of writing; a last line without its end is left out."""
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            if line.endswith("\n"):
                partition, offset, flight_id, fault = line[:-1].split("\t")
                yield Entry(int(partition), int(offset), flight_id, fault)
