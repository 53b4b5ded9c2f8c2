"""Predictions meet their outcomes, whichever comes first."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from streamapp.observe.pending import PendingRows
from streamapp.types import Float64, Int16, Int32, Int64, OutcomeBatch


@dataclass(frozen=True, slots=True, eq=False)
class Joined:
    """k predictions with their outcomes.

    ids: list of k. times_ms int64 (k,): event times. answers int16 (k,): index of the variant that answered,
    NO_VARIANT where only shadows scored. scores float64 (k, v): the judged score of each variant, NaN where it
    did not score the row. labels float64 (k,). tenures int32 (k,): number of what served when the row was scored.
    """

    ids: list[str]
    times_ms: Int64
    answers: Int16
    scores: Float64
    labels: Float64
    tenures: Int32

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(slots=True)
class JoinCounts:
    """What became of the rows so far.

    joined: pairs. expired: predictions given up because no outcome can come any more. unmatched: outcomes
    given up likewise. evicted: rows of either side given up because `max_pending` was reached. duplicates: rows of
    either side whose id waits already.
    """

    joined: int = 0
    expired: int = 0
    unmatched: int = 0
    evicted: int = 0
    duplicates: int = 0


class OutcomeJoin:
    """A two-sided join by id: a prediction at t and an outcome within `window_ms` of it are a pair.

    Both sides wait, at most `max_pending` rows each. A row at t is given up once the other side has reached
    t + window, when no partner can come any more, or its own side t + 2 windows, when none did although the other
    side lags by a whole window. Which pairs are found therefore does not depend on how the two sides interleave,
    as long as each is in order and they are less than a window apart. Time is event time only.

    An id is forgotten when it is joined: a redelivered prediction then waits in vain and counts as expired.
    """

    def __init__(self, variants: int, window_ms: int, max_pending: int) -> None:
        self._window_ms = window_ms
        self._sweep_ms = max(1, window_ms // 64)
        self._predictions = PendingRows(max_pending, variants + 2)
        self._outcomes = PendingRows(max_pending, 1)
        self._reached_ms: list[int | None] = [None, None]
        self._swept_ms = [0, 0]
        self.counts = JoinCounts()

    @property
    def pending_predictions(self) -> int:
        """Predictions that wait for their outcome."""
        return len(self._predictions)

    @property
    def pending_outcomes(self) -> int:
        """Outcomes that wait for their prediction."""
        return len(self._outcomes)

    def predicted(
        self, ids: Sequence[str], times_ms: Int64, answers: Int16, scores: Float64, tenure: int = 0
    ) -> Joined:
        """Take n predictions in (columns as in `Joined`, all of one tenure); the pairs they complete."""
        rows, outcome_ms, labels = self._outcomes.take(ids)
        near = self._near(times_ms[rows], outcome_ms)
        pairs = rows[near]
        joined = Joined(
            [ids[r] for r in pairs.tolist()],
            times_ms[pairs],
            answers[pairs],
            scores[pairs],
            labels[near, 0],
            np.full(len(pairs), tenure, np.int32),
        )
        self.counts.expired += len(rows) - len(pairs)
        self._settle(joined, len(rows) - len(pairs))
        values = np.column_stack([answers, np.full(len(ids), tenure), scores])
        self._wait(self._predictions, ids, rows, times_ms, values)
        self._advance(0, times_ms)
        return joined

    def came_true(self, outcomes: OutcomeBatch) -> Joined:
        """Take outcomes in, failed rows left out; the pairs they complete."""
        keep = np.ones(len(outcomes), np.bool_)
        keep[list(outcomes.failures)] = False
        good = np.flatnonzero(keep)
        ids = [outcomes.ids[r] for r in good.tolist()]
        times_ms, labels = outcomes.times_ms[good], outcomes.labels[good]
        rows, event_ms, values = self._predictions.take(ids)
        near = self._near(event_ms, times_ms[rows])
        pairs, values = rows[near], values[near]
        answers, tenures, scores = values[:, 0].astype(np.int16), values[:, 1].astype(np.int32), values[:, 2:]
        joined = Joined([ids[r] for r in pairs.tolist()], event_ms[near], answers, scores, labels[pairs], tenures)
        self.counts.expired += len(rows) - len(pairs)
        self._settle(joined, len(rows) - len(pairs))
        self._wait(self._outcomes, ids, rows, times_ms, labels[:, None])
        self._advance(1, times_ms)
        return joined

    def _near(self, event_ms: Int64, outcome_ms: Int64) -> Int64:
        return np.flatnonzero(np.abs(outcome_ms - event_ms) <= self._window_ms)

    def _settle(self, joined: Joined, apart: int) -> None:
        self.counts.joined += len(joined)
        self.counts.unmatched += apart

    def _wait(self, side: PendingRows, ids: Sequence[str], met: Int64, times_ms: Int64, values: Float64) -> None:
        if len(met):
            alone = np.ones(len(ids), np.bool_)
            alone[met] = False
            left = np.flatnonzero(alone)
            ids, times_ms, values = [ids[r] for r in left.tolist()], times_ms[left], values[left]
        if len(ids):
            duplicates, evicted = side.add(ids, times_ms, values)
            self.counts.duplicates += duplicates
            self.counts.evicted += evicted

    def _advance(self, side: int, times_ms: Int64) -> None:
        """Move the clock of one side and, when it has moved far enough to be worth a search, expire."""
        if not len(times_ms):
            return
        reached = max(int(times_ms.max()), self._reached_ms[side] or 0)
        self._reached_ms[side] = reached
        if reached - self._swept_ms[side] < self._sweep_ms:
            return
        self._swept_ms[side] = reached
        own, other = reached - 2 * self._window_ms, reached - self._window_ms
        self.counts.expired += self._predictions.expire(other if side else own)
        self.counts.unmatched += self._outcomes.expire(own if side else other)
