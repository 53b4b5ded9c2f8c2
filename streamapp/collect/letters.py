"""Dead letters as rows beside the answers: whose they were is what the key was dealt to when they were written."""

from collections.abc import Sequence

import numpy as np

from streamapp.collect.answers import DEAD, Answers, Numbers, hashes
from streamapp.collect.events import UNKNOWN, EventReader, Events
from streamapp.dlq.letter import Letter, originals

BEFORE_ROUTING = frozenset({"decode", "deadline"})
"""Stages that fail an event before it is anybody's."""


class LetterReader:
    """Takes dead letters in, and keeps those written within [from_ms, to_ms) of events that a variant was to answer."""

    def __init__(self, reader: EventReader, sources: Numbers, scores: int, from_ms: int, to_ms: int) -> None:
        self._reader, self._sources, self._scores = reader, sources, scores
        self._from_ms, self._to_ms = from_ms, to_ms
        self._parts: list[Answers] = []
        self._events: list[Events] = []
        self.unreadable = 0
        """Letters of later stages whose event cannot be read (any more)."""

    def take(self, letters: Sequence[Letter]) -> None:
        """Some of the letters."""
        kept = [each for each in letters if self._meant(each)]
        if not kept:
            return
        events = self._reader.read(originals(kept))
        n = len(kept)
        part = Answers(
            self._sources.of((each.source.topic, each.source.partition) for each in kept if each.source),
            np.array([each.source.offset for each in kept if each.source], np.int64),
            hashes([each.id for each in kept]),
            np.full(n, DEAD, np.int32),
            np.array([each.written_ms for each in kept], np.int64),
            events.event_ms,
            np.full((n, self._scores), np.nan),
        )
        good = events.units != UNKNOWN
        self.unreadable += int(n - good.sum())
        self._parts.append(part.take(good))
        self._events.append(events.take(good))

    def read(self) -> tuple[Answers, Events]:
        """Everything so far, as it came."""
        return Answers.concat(self._parts, self._scores), Events.concat(self._events, len(self._reader.views))

    def _meant(self, letter: Letter) -> bool:
        known = letter.source is not None and letter.stage not in BEFORE_ROUTING
        return known and self._from_ms <= letter.written_ms < self._to_ms
