"""A dead letter: the original record and why it failed."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from streamapp.encode.dead_letters import CONNECT, OWN, VALUE_OMITTED, event_place, split_cause, whole
from streamapp.types import Headers, Place, RecordBatch

REPLAY = "streamapp.replay."
"""Prefix of the headers of a copy that was sent back."""


@dataclass(frozen=True, slots=True)
class Letter:
    """One record of the dead-letter topic.

    place: where the letter is. written_ms: when it was written. key, value and headers: the original's, byte for byte.
    cause: the dead-letter headers as text, empty for a record that is no dead letter. source: where the original was,
    source_ms its timestamp; None where the letter does not say. replays: how often it had been sent back before it
    failed.
    """

    place: Place
    written_ms: int
    key: bytes | None
    value: bytes | None
    headers: Headers
    cause: Mapping[str, str]
    source: Place | None
    source_ms: int | None
    replays: int

    @property
    def stage(self) -> str:
        """The stage that failed it."""
        return self.cause.get(CONNECT + "stage", "")

    @property
    def code(self) -> str:
        """What is wrong, from a closed set."""
        return self.cause.get(OWN + "code", "")

    @property
    def field(self) -> str:
        """The event's field that is to blame, if one is."""
        return self.cause.get(OWN + "field", "")

    @property
    def id(self) -> str:
        """The event's id, where it could be read."""
        return self.cause.get(OWN + "id", "")

    @property
    def message(self) -> str:
        """What is wrong, for people."""
        return self.cause.get(CONNECT + "exception.message", "")

    @property
    def omitted(self) -> bool:
        """Whether the original's value is lost."""
        return VALUE_OMITTED in self.cause

    @property
    def failed_key(self) -> str:
        """What is the same for all letters of one failure: a crash of the worker can write a letter twice.

        The timestamp tells a topic from another that was made anew under its name.
        """
        return f"{self.source or self.place}" + ("" if self.source_ms is None else f"@{self.source_ms}")


def letters(records: RecordBatch) -> Iterator[Letter]:
    """The letters of n records of a dead-letter topic, in their order."""
    partitions, offsets, times_ms = (c.tolist() for c in (records.partitions, records.offsets, records.timestamps_ms))
    for row, topic in enumerate(records.topics):
        original, cause = split_cause(records.headers[row])
        yield Letter(
            Place(topic, partitions[row], offsets[row]),
            times_ms[row],
            records.keys[row],
            records.values[row],
            original,
            cause,
            event_place(cause),
            whole(cause.get(OWN + "timestamp", "")),
            max(whole(_last(original, REPLAY + "count")) or 0, 0),
        )


def originals(found: Sequence[Letter]) -> RecordBatch:
    """The records that n letters were: where and when they were, as far as a letter says it."""
    n = len(found)
    sources = [letter.source or letter.place for letter in found]
    times_ms = (letter.written_ms if letter.source_ms is None else letter.source_ms for letter in found)
    return RecordBatch(
        [source.topic for source in sources],
        np.fromiter((source.partition for source in sources), np.int32, n),
        np.fromiter((source.offset for source in sources), np.int64, n),
        np.fromiter(times_ms, np.int64, n),
        [letter.key for letter in found],
        [letter.value for letter in found],
        [letter.headers for letter in found],
    )


def _last(headers: Headers, name: str) -> str:
    return next((value.decode("utf-8", "replace") for at, value in reversed(headers) if at == name), "")
