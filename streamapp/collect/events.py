"""The events behind the answers: their unit of assignment, their record's timestamp, their entities."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Protocol

import numpy as np

from streamapp.collect.answers import Answers, Bool, Numbers
from streamapp.protocols import Decoder
from streamapp.types import Column, Int32, Int64, RecordBatch

UNKNOWN = -1
"""In place of a unit, of an event that was not found or could not be read."""


class Entities(Protocol):
    """`streamapp.enrich.historical.HistoricalFeatures`, as events are read with it."""

    @property
    def views(self) -> Sequence[str]:
        """The views that are read."""
        ...

    def keys(self, view: str, columns: Mapping[str, Column], rows: Int64) -> Sequence[Any]:
        """The entity of each of m rows, None where the event does not say it."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Events:
    """n events.

    units int32 (n,): by number, `UNKNOWN` where not known. recorded_ms, event_ms int64 (n,): the record's timestamp and
    when the event happened. entities int32 (n, v): per view the entity by number, -1 for none.
    """

    units: Int32
    recorded_ms: Int64
    event_ms: Int64
    entities: Int32

    def __len__(self) -> int:
        return len(self.units)

    def take(self, rows: "Int64 | Bool") -> "Events":
        """These rows."""
        return Events(*(getattr(self, each.name)[rows] for each in fields(self)))

    def put(self, rows: Int64, events: "Events") -> None:
        """Overwrite these rows."""
        for each in fields(self):
            getattr(self, each.name)[rows] = getattr(events, each.name)

    @staticmethod
    def concat(parts: "Sequence[Events]", views: int) -> "Events":
        """All rows of `parts`."""
        every = [Events.unknown(0, views), *parts]
        return Events(*(np.concatenate([getattr(part, each.name) for part in every]) for each in fields(Events)))

    @staticmethod
    def unknown(n: int, views: int) -> "Events":
        """Of n events nothing."""
        nothing = np.full((n, views), -1, np.int32)
        return Events(np.full(n, UNKNOWN, np.int32), np.zeros(n, np.int64), np.zeros(n, np.int64), nothing)


class EventReader:
    """Reads events with the pipeline's own decoder; numbers units and entities alike wherever they are read."""

    def __init__(self, decoder: Decoder, entities: Entities | None = None) -> None:
        self._decoder, self._entities = decoder, entities
        self.views = () if entities is None else tuple(entities.views)
        self.units = Numbers()
        self.keys = tuple(Numbers() for _ in self.views)

    def read(self, records: RecordBatch) -> Events:
        """Of n records; a row that cannot be decoded, or has an empty routing key, is unknown."""
        decoded = self._decoder.decode(records)
        # Events with an empty key are routed alike, and are nobody's.
        names = [key or None for key in decoded.routing_keys]
        good = np.ones(len(records), np.bool_)
        for row in decoded.failures:
            names[row] = None
            good[row] = False
        found = Events.unknown(len(records), len(self.views))
        found.units[:] = self.units.of(names)
        found.recorded_ms[:] = records.timestamps_ms
        found.event_ms[:] = decoded.event_times_ms
        rows = np.flatnonzero(good)
        for i, view in enumerate(self.views):
            if self._entities is not None:
                found.entities[rows, i] = self.keys[i].of(self._entities.keys(view, decoded.columns, rows))
        return found


class IdsAsUnits:
    """Events of a pipeline that routes by id: nothing else is needed of them. units: numbers them."""

    def __init__(self, units: Numbers) -> None:
        self._units = units
        self._parts: list[Events] = []

    def take(self, ids: list[str], events: RecordBatch) -> None:
        """See `answers.Within`."""
        found = Events.unknown(len(ids), 0)
        found.units[:] = self._units.of(ids)
        found.recorded_ms[:] = found.event_ms[:] = events.timestamps_ms
        self._parts.append(found)

    def read(self) -> Events:
        """Everything so far, as it came."""
        return Events.concat(self._parts, 0)


class EventsInside:
    """Events that predictions repeat (`predictions.include_event`)."""

    def __init__(self, reader: "EventReader") -> None:
        self._reader = reader
        self._parts: list[Events] = []

    def take(self, ids: list[str], events: RecordBatch) -> None:
        """See `answers.Within`."""
        self._parts.append(self._reader.read(events))

    def read(self) -> Events:
        """Everything so far, as it came."""
        return Events.concat(self._parts, len(self._reader.views))


class EventsElsewhere:
    """Events that are looked up later."""

    def take(self, ids: list[str], events: RecordBatch) -> None:
        """See `answers.Within`."""


class EventsBehind:
    """Finds the events of answers among the records of the input topics."""

    def __init__(self, answers: Answers, sources: Sequence[tuple[str, int]], reader: EventReader) -> None:
        self._reader, self._numbers = reader, {source: i for i, source in enumerate(sources)}
        self._order = np.lexsort((answers.offsets, answers.sources))
        self._wanted = answers.offsets[self._order]
        self._starts = np.searchsorted(answers.sources[self._order], np.arange(len(sources) + 1))
        self._offsets, self._sources = answers.offsets, answers.sources
        self._lows = np.full(len(sources), np.iinfo(np.int64).max, np.int64)
        self.found = Events.unknown(len(answers), len(reader.views))

    def partitions(self, topic: str) -> list[int]:
        """The partitions of `topic` in which there is something to find."""
        return sorted(partition for name, partition in self._numbers if name == topic)

    def take(self, records: RecordBatch) -> None:
        """Records of an input topic, in any order."""
        picked, rows = [], []
        for partition in np.unique(records.partitions).tolist():
            number = self._numbers.get((records.topics[0], partition))
            if number is None:
                continue
            at = np.flatnonzero(records.partitions == partition)
            self._lows[number] = min(self._lows[number], records.offsets[at].min())
            start, stop = self._starts[number], self._starts[number + 1]
            wanted = self._wanted[start:stop]
            place = np.searchsorted(wanted, records.offsets[at])
            hit = place < len(wanted)
            hit[hit] = wanted[place[hit]] == records.offsets[at[hit]]
            picked.append(at[hit])
            rows.append(self._order[start + place[hit]])
        if picked and sum(map(len, picked)):
            self.found.put(np.concatenate(rows), self._reader.read(pick(records, np.concatenate(picked))))

    def gone(self) -> Bool:
        """Of which answers the event lies before what the input topic still holds."""
        gone: Bool = (self.found.units == UNKNOWN) & (self._offsets < self._lows[self._sources])
        return gone


def pick(records: RecordBatch, rows: Int64) -> RecordBatch:
    """These rows as a batch of their own."""
    at = rows.tolist()
    return RecordBatch(
        [records.topics[row] for row in at],
        records.partitions[rows],
        records.offsets[rows],
        records.timestamps_ms[rows],
        [records.keys[row] for row in at],
        [records.values[row] for row in at],
        [records.headers[row] for row in at],
    )
