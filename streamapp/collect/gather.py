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
    reader = EventReader(decoder, entities)
    dealing = await _dealing(settings, topics, arms)
    within = IdsAsUnits() if needs.units_are_ids else EventsInside(reader) if needs.inside else EventsElsewhere()
    answering = AnswerReader(settings.predictions.format, needs.scores, span.from_ms, span.to_ms, within)
    async for records in topics.read(settings.predictions.topic):
        answering.take(records)
    every, numbers = answering.read(), answering.sources
    rows = once(every)
    answers = every.take(rows)
    gone = np.zeros(len(answers), np.bool_)
    if isinstance(within, EventsElsewhere):
        events, gone = await _events_behind(settings, topics, answers, numbers, reader)
    else:
        events = within.read().take(rows)
    units = within.units if isinstance(within, IdsAsUnits) else reader.units
    repeats, unreadable = len(every) - len(answers), 0
    if needs.has(Origin.DEAD_LETTER):
        reader.units = units
        dead = LetterReader(reader, numbers, len(needs.scores), span.from_ms, span.to_ms)
        async for records in topics.read(settings.dead_letters.topic):
            dead.take(list(letters(records)))
        more, their_events = dead.read()
        answers = Answers.concat([answers, more], len(needs.scores))
        events = Events.concat([events, their_events], events.entities.shape[1])
        gone = np.append(gone, np.zeros(len(more), np.bool_))
        rows = once(answers)
        repeats += len(answers) - len(rows)
        answers, events, gone = answers.take(rows), events.take(rows), gone[rows]
        unreadable += dead.unreadable
    labels = None
    if needs.has(Origin.LABEL):
        labels, bad = await _labels(settings, topics, answers)
        unreadable += bad
    return Gathered(
        dealing, answers, events, units.values, reader.keys, answering.served, gone, labels, repeats, unreadable
    )


async def _dealing(settings: PipelineSettings, topics: Topics, arms: Arms) -> Dealing:
    if settings.control is None:
        return dealing_of(arms, [dealt_by_file(settings)])
    log: list[tuple[int, int, bytes]] = []
    async for records in topics.read(control_topics(settings).log, [0]):
        log += [
            (offset, at_ms, value or b"")
            for offset, at_ms, value in zip(
                records.offsets.tolist(), records.timestamps_ms.tolist(), records.values, strict=True
            )
        ]
    return dealing_of(arms, dealt_by_log(log))


async def _events_behind(
    settings: PipelineSettings, topics: Topics, answers: Answers, numbers: Numbers, reader: EventReader
) -> tuple[Events, Bool]:
    behind = EventsBehind(answers, numbers.values, reader)
    for topic in settings.source.topics:
        async for records in topics.read(topic, behind.partitions(topic)):
            behind.take(records)
    return behind.found, behind.gone()


async def _labels(settings: PipelineSettings, topics: Topics, answers: Answers) -> tuple[Labels, int]:
    outcomes = settings.outcomes
    if outcomes is None:
        raise ConfigError(f"pipeline `{settings.name}` reads no labels: add the `outcomes` section to its file")
    join = LabelJoin(answers, round(outcomes.join_window_s * 1_000))
    decoder = build_outcome_decoder(outcomes)
    async for records in topics.read(outcomes.topic):
        join.take(records, decoder.decode(records))
    return join.read(), join.unreadable
