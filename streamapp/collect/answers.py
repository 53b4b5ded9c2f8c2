"""What was answered, and what could not be: one row per event, in columns."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import xxhash

from streamapp.collect.dealing import Served
from streamapp.encode.read_back import NO_PREDICTION, Prediction, prediction_reader
from streamapp.errors import ConfigError
from streamapp.types import Float64, Int32, Int64, RecordBatch

Bool = npt.NDArray[np.bool_]
UInt64 = npt.NDArray[np.uint64]
DEAD = -1
"""In place of who answered, of a dead letter."""


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """n events.

    sources int32 (n,): topic and partition by number. offsets int64 (n,). ids uint64 (n,): hash of the event's id.
    served int32 (n,): who answered, by number, `DEAD` for a dead letter. scored_ms, event_ms int64 (n,): when it was
    scored (or the letter written), and when it happened. scores float64 (n, s), NaN where there is none.
    """

    sources: Int32
    offsets: Int64
    ids: UInt64
    served: Int32
    scored_ms: Int64
    event_ms: Int64
    scores: Float64

    def __len__(self) -> int:
        return len(self.offsets)

    def take(self, rows: "Int64 | Bool") -> "Answers":
        """These rows."""
        return Answers(*(getattr(self, each.name)[rows] for each in fields(self)))

    @staticmethod
    def concat(parts: "Sequence[Answers]", width: int) -> "Answers":
        """All rows of `parts`, with `width` scores."""
        none = np.empty(0, np.int64)
        empty = Answers(
            none.astype(np.int32), none, none.astype(np.uint64), none.astype(np.int32), none, none, np.empty((0, width))
        )
        every = [empty, *parts]
        return Answers(*(np.concatenate([getattr(part, each.name) for part in every]) for each in fields(empty)))


def once(answers: Answers) -> Int64:
    """The rows that are the first of their event, by when they were scored; sorted by where the events are.

    A crash can answer an event twice.
    """
    order = np.lexsort((answers.scored_ms, answers.offsets, answers.sources))
    sources, offsets = answers.sources[order], answers.offsets[order]
    first = np.ones(len(order), np.bool_)
    first[1:] = (sources[1:] != sources[:-1]) | (offsets[1:] != offsets[:-1])
    return order[first]


class Numbers:
    """Values numbered in the order in which they are first seen."""

    def __init__(self) -> None:
        self._numbers: dict[Any, int] = {}

    def __len__(self) -> int:
        return len(self._numbers)

    @property
    def values(self) -> list[Any]:
        """By number."""
        return list(self._numbers)

    def of(self, values: Iterable[Any]) -> Int32:
        """The number of each, -1 for None."""
        numbers = self._numbers
        found = [-1 if each is None else numbers.setdefault(each, len(numbers)) for each in values]
        return np.array(found, np.int32)


def hashes(ids: Sequence[str]) -> UInt64:
    """uint64 (n,). Two of 10^8 ids share one with probability 0.0003."""
    return np.fromiter((xxhash.xxh3_64_intdigest(each.encode()) for each in ids), np.uint64, len(ids))


class Within(Protocol):
    """What is kept of the predictions that `AnswerReader` takes, beside their columns."""

    def take(self, ids: list[str], events: RecordBatch) -> None:
        """n predictions: their ids, and the events that they repeat as records without key and headers."""
        ...


class AnswerReader:
    """Takes predictions in, and keeps those that were scored within [from_ms, to_ms)."""

    def __init__(self, format_: str, scores: Sequence[str], from_ms: int, to_ms: int, within: Within) -> None:
        self._decode = prediction_reader(format_)
        self._scores, self._from_ms, self._to_ms = tuple(scores), from_ms, to_ms
        self._within = within
        self._parts: list[Answers] = []
        self._served, self.sources = Numbers(), Numbers()

    @property
    def served(self) -> list[Served]:
        """Who answered, by number."""
        return self._served.values

    def take(self, records: RecordBatch) -> None:
        """Records of the prediction topic. Raises `ConfigError` for what is no prediction."""
        found = [self._one(records, row, value) for row, value in enumerate(records.values) if value is not None]
        kept = [each for each in found if self._from_ms <= each.scored_at < self._to_ms]
        if not kept:
            return
        ids = [each.id for each in kept]
        self._within.take(ids, _events(kept))
        nan = float("nan")
        self._parts.append(
            Answers(
                self.sources.of((each.source.topic, each.source.partition) for each in kept),
                np.array([each.source.offset for each in kept], np.int64),
                hashes(ids),
                self._served.of((each.variant, each.model, each.model_version) for each in kept),
                np.array([each.scored_at for each in kept], np.int64),
                np.array([each.event_time for each in kept], np.int64),
                np.array([[each.scores.get(s, nan) for s in self._scores] for each in kept]).reshape(len(kept), -1),
            )
        )

    def read(self) -> Answers:
        """Everything so far, as it came."""
        return Answers.concat(self._parts, len(self._scores))

    def _one(self, records: RecordBatch, row: int, value: bytes) -> Prediction:
        try:
            return self._decode(value)
        except NO_PREDICTION as error:
            where = f"{records.topics[row]}/{records.partitions[row]}/{records.offsets[row]}"
            raise ConfigError(
                f"{where} is no prediction as docs/wire.md describes it ({error}): check `predictions.topic` and "
                "`predictions.format`"
            ) from error


def _events(found: Sequence[Prediction]) -> RecordBatch:
    n = len(found)
    return RecordBatch(
        [each.source.topic for each in found],
        np.fromiter((each.source.partition for each in found), np.int32, n),
        np.fromiter((each.source.offset for each in found), np.int64, n),
        np.fromiter((each.event_time for each in found), np.int64, n),
        [None] * n,
        [bytes(each.event) for each in found],
        [()] * n,
    )
