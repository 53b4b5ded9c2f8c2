"""What the broker acknowledged, and what was attempted without an answer."""

from dataclasses import dataclass, field

from tests.faults.events import Place


@dataclass(frozen=True, slots=True)
class Entry:
    """One acknowledged input record. id and score are None for a raw record, of which nothing is expected but that
    it turns up somewhere; digest is of the payload."""

    place: Place
    key: bytes | None
    digest: str
    id: str | None = None
    score: float | None = None


@dataclass(slots=True)
class Journal:
    """Grows while a case runs."""

    acknowledged: dict[Place, Entry] = field(default_factory=dict)
    attempted: set[str] = field(default_factory=set)
    """Digests of everything that was handed to a producer: what was not acknowledged may be there all the same."""
    unacknowledged: list[str] = field(default_factory=list)
    """Why producing failed, per record."""

    def acknowledge(self, entry: Entry) -> None:
        self.acknowledged[entry.place] = entry
