"""Labels meet their answers, as the live join does it (`observe.join`): by id, once, within the join window."""

from dataclasses import dataclass

import numpy as np

from streamapp.collect.answers import DEAD, Answers, UInt64, hashes
from streamapp.types import Float64, Int64, OutcomeBatch, RecordBatch


@dataclass(frozen=True, slots=True, eq=False)
class Labels:
    """k labels. rows int64 (k,): the answer of each. values float64 (k,). times_ms int64 (k,): when it happened."""

    rows: Int64
    values: Float64
    times_ms: Int64


class LabelJoin:
    """Of each id the first answer gets the first label that lies within `window_ms` of its event. Event time only."""

    def __init__(self, answers: Answers, window_ms: int) -> None:
        answered = np.flatnonzero(answers.served != DEAD)
        order = answered[np.lexsort((answers.scored_ms[answered], answers.ids[answered]))]
        first = np.ones(len(order), np.bool_)
        first[1:] = answers.ids[order][1:] != answers.ids[order][:-1]
        self._rows = order[first]
        self._ids: UInt64 = answers.ids[self._rows]
        self._event_ms = answers.event_ms[self._rows]
        self._window_ms = window_ms
        self._parts: list[tuple[Int64, Float64, Int64, Int64]] = []
        self.unreadable = 0
        """Records that are no outcomes."""

    def take(self, records: RecordBatch, outcomes: OutcomeBatch) -> None:
        """Outcomes and the records that they were."""
        self.unreadable += len(outcomes.failures)
        if not len(self._ids):
            return
        ids = hashes(outcomes.ids)
        place = np.minimum(np.searchsorted(self._ids, ids), len(self._ids) - 1)
        near = np.abs(outcomes.times_ms - self._event_ms[place]) <= self._window_ms
        good = (self._ids[place] == ids) & near
        good[list(outcomes.failures)] = False
        arrived_ms = records.timestamps_ms[good]
        self._parts.append((place[good], outcomes.labels[good], outcomes.times_ms[good], arrived_ms))

    def read(self) -> Labels:
        """The pairs so far."""
        none = np.empty(0, np.int64)
        every = [(none, np.empty(0), none, none), *self._parts]
        place, values, times_ms, arrived_ms = (np.concatenate(column) for column in zip(*every, strict=True))
        order = np.argsort(arrived_ms, kind="stable")
        _, first = np.unique(place[order], return_index=True)
        kept = order[first]
        return Labels(self._rows[place[kept]], values[kept], times_ms[kept])
