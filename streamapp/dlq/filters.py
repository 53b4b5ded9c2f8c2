"""Which letters are meant."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timezone

from streamapp.dlq.letter import Letter
from streamapp.errors import ConfigError
from streamapp.protocols import Clock
from streamapp.types import Place

_RELATIVE = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d|w)")
_UNIT_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}


@dataclass(frozen=True, slots=True)
class LetterFilter:
    """Letters that match every condition; one that is empty or None lets all through.

    Within a condition any of the values will do. since_ms is included and until_ms is not; both are compared with the
    time at which the letter was written. places: of the letter, or of the event that failed.
    """

    codes: frozenset[str] = frozenset()
    fields: frozenset[str] = frozenset()
    stages: frozenset[str] = frozenset()
    partitions: frozenset[int] = frozenset()
    since_ms: int | None = None
    until_ms: int | None = None
    places: frozenset[Place] = frozenset()

    def matches(self, letter: Letter) -> bool:
        """Whether this letter is meant."""
        return (
            (not self.codes or letter.code in self.codes)
            and (not self.fields or letter.field in self.fields)
            and (not self.stages or letter.stage in self.stages)
            and (not self.partitions or letter.place.partition in self.partitions)
            and (self.since_ms is None or letter.written_ms >= self.since_ms)
            and (self.until_ms is None or letter.written_ms < self.until_ms)
            and (not self.places or letter.place in self.places or letter.source in self.places)
        )


def letter_filter(
    codes: Iterable[str],
    fields: Iterable[str],
    stages: Iterable[str],
    partitions: Iterable[int],
    since: str | None,
    until: str | None,
    clock: Clock,
    places: Iterable[Place] = (),
) -> LetterFilter:
    """The filter as it is written on a command line. Raises `ConfigError` for a time that is none."""
    now_ms = clock.now_ms()
    return LetterFilter(
        frozenset(codes),
        frozenset(fields),
        frozenset(stages),
        frozenset(partitions),
        None if since is None else parse_time(since, now_ms),
        None if until is None else parse_time(until, now_ms),
        frozenset(places),
    )


def parse_time(text: str, now_ms: int) -> int:
    """Milliseconds since the epoch: ISO 8601 (UTC without an offset; a date is its midnight), or so long ago: `2h`.

    Raises `ConfigError`.

    >>> parse_time("90s", 100_000), parse_time("1970-01-02", 0), parse_time("1970-01-01T01:00:00+01:00", 0)
    (10000, 86400000, 0)
    """
    ago = _RELATIVE.fullmatch(text.strip())
    if ago is not None:
        return now_ms - round(float(ago[1]) * _UNIT_MS[ago[2]])
    written = text.strip()
    try:
        instant = datetime.fromisoformat(written[:-1] + "+00:00" if written[-1:] in ("Z", "z") else written)
    except ValueError as error:
        raise ConfigError(
            f"`{text}` is no time: write ISO 8601 (2026-05-01T12:00:00Z) or how long ago (30m, 2h, 7d)"
        ) from error
    if instant.tzinfo is None:
        instant = instant.replace(tzinfo=timezone.utc)
    return round(instant.timestamp() * 1_000)
