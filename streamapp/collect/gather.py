"""Everything that is read of the topics, one after the other."""

from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from streamapp.collect.answers import AnswerReader, Answers, Bool, Numbers, once
from streamapp.collect.dealing import Arms, Dealing, Served, dealing_of, dealt_by_file, dealt_by_log
from streamapp.collect.events import (
    Entities,
    EventReader,
    Events,
    EventsBehind,
    EventsElsewhere,
    EventsInside,
    IdsAsUnits,
)
from streamapp.collect.labels import LabelJoin, Labels
from streamapp.collect.letters import LetterReader
from streamapp.collect.needs import Needs
from streamapp.collect.source import Origin
from streamapp.config.settings import PipelineSettings
from streamapp.control.companion import control_topics
from streamapp.decode import build_outcome_decoder
from streamapp.dlq.letter import letters
from streamapp.errors import ConfigError
from streamapp.protocols import Decoder
from streamapp.types import RecordBatch


class Topics(Protocol):
    """`streamapp.collect.topics.Topics`."""

    def read(self, topic: str, partitions: Collection[int] | None = None) -> AsyncIterator[RecordBatch]:
        """The records of a topic, or of some of its partitions, up to where it ends now."""
        ...


@dataclass(frozen=True, slots=True)
class Span:
    """What was scored from `from_ms` on and before `to_ms` is looked at."""

    from_ms: int
    to_ms: int


@dataclass(frozen=True, slots=True, eq=False)
class Gathered:
    """answers, events: one row per event. units, keys: what their numbers stand for. served: who answered, by number.
    gone bool (n,): whose event the input topic no longer holds. labels: of rows. repeats: answers and letters of events
    that had one already. unreadable: outcomes and dead letters that could not be read."""

    dealing: Dealing
    answers: Answers
    events: Events
    units: list[str]
    keys: tuple[Numbers, ...]
    served: list[Served]
    gone: Bool
    labels: Labels | None
    repeats: int
    unreadable: int


async def gather(
    settings: PipelineSettings,
    topics: Topics,
    decoder: Decoder,
    arms: Arms,
    needs: Needs,
    span: Span,
    entities: Entities | None,
) -> Gathered:
    """Read what a plan needs.

    1. By which weights keys were dealt. 2. The answers within the span. 3. Their events, where they say what unit it
    is. 4. Dead letters within the span; of what is there twice the first counts. 5. Labels.

    Raises `ConfigError` and `BrokerUnavailable`.
    """
    dealing = await _dealing(settings, topics, arms)
    gathering = _Gathering(settings, topics, needs, span, EventReader(decoder, entities))
    await gathering.read_answers()
    if needs.has(Origin.DEAD_LETTER):
        await gathering.read_letters()
    if needs.has(Origin.LABEL):
        await gathering.read_labels()
    return gathering.gathered(dealing)


async def _dealing(settings: PipelineSettings, topics: Topics, arms: Arms) -> Dealing:
    if settings.control is None:
        return dealing_of(arms, [dealt_by_file(settings)])
    log: list[tuple[int, int, bytes]] = []
    async for records in topics.read(control_topics(settings).log, [0]):
        values = [value or b"" for value in records.values]
        log += zip(records.offsets.tolist(), records.timestamps_ms.tolist(), values, strict=True)
    return dealing_of(arms, dealt_by_log(log))


class _Gathering:
    """The rows as they become known, topic by topic."""

    def __init__(
        self, settings: PipelineSettings, topics: Topics, needs: Needs, span: Span, reader: EventReader
    ) -> None:
        self._settings, self._topics, self._needs, self._span = settings, topics, needs, span
        self._reader = reader
        self._served: list[Served] = []
        self._sources = Numbers()
        self._answers = Answers.concat([], len(needs.scores))
        self._events = Events.unknown(0, len(reader.views))
        self._gone: Bool = np.zeros(0, np.bool_)
        self._labels: Labels | None = None
        self._repeats = self._unreadable = 0

    def gathered(self, dealing: Dealing) -> Gathered:
        """What is known."""
        return Gathered(
            dealing,
            self._answers,
            self._events,
            self._reader.units.values,
            self._reader.keys,
            self._served,
            self._gone,
            self._labels,
            self._repeats,
            self._unreadable,
        )

    async def read_answers(self) -> None:
        """Answers within the span, and their events from wherever they are."""
        predictions = self._settings.predictions
        within = (
            IdsAsUnits(self._reader.units)
            if self._needs.units_are_ids
            else EventsInside(self._reader)
            if self._needs.inside
            else EventsElsewhere()
        )
        span, scores = self._span, self._needs.scores
        answering = AnswerReader(predictions.format, scores, span.from_ms, span.to_ms, within)
        async for records in self._topics.read(predictions.topic):
            answering.take(records)
        every, self._sources, self._served = answering.read(), answering.sources, answering.served
        rows = once(every)
        self._answers, self._repeats = every.take(rows), len(every) - len(rows)
        if isinstance(within, EventsElsewhere):
            await self._look_up_events()
        else:
            self._events, self._gone = within.read().take(rows), np.zeros(len(rows), np.bool_)

    async def _look_up_events(self) -> None:
        behind = EventsBehind(self._answers, self._sources.values, self._reader)
        for topic in self._settings.source.topics:
            async for records in self._topics.read(topic, behind.partitions(topic)):
                behind.take(records)
        self._events, self._gone = behind.found, behind.gone()

    async def read_letters(self) -> None:
        """Dead letters within the span, beside the answers."""
        span, scores = self._span, len(self._needs.scores)
        dead = LetterReader(self._reader, self._sources, scores, span.from_ms, span.to_ms)
        async for records in self._topics.read(self._settings.dead_letters.topic):
            dead.take(list(letters(records)))
        found, events = dead.read()
        answers = Answers.concat([self._answers, found], scores)
        gone = np.append(self._gone, np.zeros(len(found), np.bool_))
        rows = once(answers)
        self._answers, self._gone = answers.take(rows), gone[rows]
        self._events = Events.concat([self._events, events], len(self._reader.views)).take(rows)
        self._repeats += len(answers) - len(rows)
        self._unreadable += dead.unreadable

    async def read_labels(self) -> None:
        """Labels of the answers."""
        outcomes = self._settings.outcomes
        if outcomes is None:
            name = self._settings.name
            raise ConfigError(f"pipeline `{name}` reads no labels: add the `outcomes` section to its file")
        join = LabelJoin(self._answers, round(outcomes.join_window_s * 1_000))
        decoder = build_outcome_decoder(outcomes)
        async for records in self._topics.read(outcomes.topic):
            join.take(records, decoder.decode(records))
        self._labels = join.read()
        self._unreadable += join.unreadable
