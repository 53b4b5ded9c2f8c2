"""Events in against answers out: a pure function over what the broker acknowledged and what came out."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from streamapp.demo.journal import Entry

Place = tuple[int, int]
"""Partition and offset of an event."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A prediction or a dead letter, and the event it says it answers."""

    place: Place
    flight_id: str


@dataclass(frozen=True, slots=True)
class Balance:
    """Each event must be answered, once, in one of two places.

    events, predictions and dead_letters count distinct places. missing: events without an answer. both: answered by a
    prediction and by a dead letter. phantoms: answers to no event. mistaken: answers under another id than the event's.
    repeats: answers beyond the first in the same place, which at-least-once delivery allows. refused: healthy events
    among the dead letters. accepted: broken ones among the predictions.
    """

    events: int
    predictions: int
    dead_letters: int
    missing: tuple[Place, ...]
    both: tuple[Place, ...]
    phantoms: tuple[Place, ...]
    mistaken: tuple[Place, ...]
    repeats: int
    refused: tuple[Place, ...]
    accepted: tuple[Place, ...]

    @property
    def holds(self) -> bool:
        """Whether events in = predictions + dead letters, by place and by id."""
        return not (self.missing or self.both or self.phantoms or self.mistaken)


def balance(journal: Iterable[Entry], predictions: Sequence[Answer], dead_letters: Sequence[Answer]) -> Balance:
    """Compare what went in with what came out. A place that the journal gives to two events is mistaken."""
    events: dict[Place, Entry] = {}
    mistaken: set[Place] = set()
    for entry in journal:
        known = events.setdefault((entry.partition, entry.offset), entry)
        if known.flight_id != entry.flight_id:
            mistaken.add((entry.partition, entry.offset))
    predicted = Counter(answer.place for answer in predictions)
    refused = Counter(answer.place for answer in dead_letters)
    answered = predicted.keys() | refused.keys()
    for answer in (*predictions, *dead_letters):
        asked = events.get(answer.place)
        if asked is not None and asked.flight_id != answer.flight_id:
            mistaken.add(answer.place)
    return Balance(
        events=len(events),
        predictions=len(predicted),
        dead_letters=len(refused),
        missing=tuple(sorted(events.keys() - answered)),
        both=tuple(sorted(predicted.keys() & refused.keys())),
        phantoms=tuple(sorted(answered - events.keys())),
        mistaken=tuple(sorted(mistaken)),
        repeats=predicted.total() - len(predicted) + refused.total() - len(refused),
        refused=tuple(sorted(p for p in refused if p in events and not events[p].fault)),
        accepted=tuple(sorted(p for p in predicted if p in events and events[p].fault)),
    )
