"""The join finds the same pairs however predictions and outcomes interleave, and keeps its books."""

from itertools import groupby

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from streamapp.observe.join import Joined, OutcomeJoin
from streamapp.types import OutcomeBatch

WINDOW_MS = 1000


@st.composite
def _worlds(draw: st.DrawFn) -> tuple[list[int], dict[int, int], list[tuple[str, int]]]:
    """Event times of predictions, outcome times of some of them, and an interleaving skewed by less than a window."""
    gaps = draw(st.lists(st.integers(0, 400), min_size=1, max_size=40))
    times = np.cumsum(gaps).tolist()
    delays = draw(st.lists(st.integers(0, WINDOW_MS + 300), min_size=len(times), max_size=len(times)))
    labelled = draw(st.lists(st.booleans(), min_size=len(times), max_size=len(times)))
    outcomes = {i: t + d for i, (t, d, y) in enumerate(zip(times, delays, labelled, strict=True)) if y}
    skew = draw(st.integers(-WINDOW_MS + 1, WINDOW_MS - 1))
    steps = [(t, "p", i) for i, t in enumerate(times)] + [(t + skew, "o", i) for i, t in outcomes.items()]
    return times, outcomes, [(kind, i) for _, kind, i in sorted(steps)]


def _play(join: OutcomeJoin, times: list[int], outcomes: dict[int, int], steps: list[tuple[str, int]], chunk: int):
    pairs: list[tuple[str, int, float, float]] = []

    def keep(joined: Joined) -> None:
        pairs.extend(
            zip(joined.ids, joined.times_ms.tolist(), joined.scores[:, 0].tolist(), joined.labels.tolist(), strict=True)
        )

    runs = [list(run) for _, run in groupby(steps, key=lambda step: step[0])]
    for part in (run[start : start + chunk] for run in runs for start in range(0, len(run), chunk)):
        rows = [i for k, i in part if k == "p"]
        if rows:
            scores = np.array([[i / 100] for i in rows])
            at = np.array([times[i] for i in rows], np.int64)
            keep(join.predicted([f"e{i}" for i in rows], at, np.zeros(len(rows), np.int16), scores))
        rows = [i for k, i in part if k == "o"]
        if rows:
            at = np.array([outcomes[i] for i in rows], np.int64)
            labels = np.array([float(i % 2) for i in rows])
            keep(join.came_true(OutcomeBatch([f"e{i}" for i in rows], labels, at, {})))
    return sorted(pairs)


@settings(max_examples=200, deadline=None)
@given(_worlds(), st.integers(1, 7))
def test_pairs_do_not_depend_on_the_interleaving(world, chunk: int) -> None:
    times, outcomes, steps = world
    join = OutcomeJoin(1, WINDOW_MS, 1000)
    pairs = _play(join, times, outcomes, steps, chunk)
    expected = sorted(
        (f"e{i}", times[i], i / 100, float(i % 2)) for i, t in outcomes.items() if t - times[i] <= WINDOW_MS
    )
    assert pairs == expected
    counts = join.counts
    assert counts.joined == len(expected)
    assert counts.joined + counts.expired + join.pending_predictions == len(times)
    assert counts.joined + counts.unmatched + join.pending_outcomes == len(outcomes)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(st.booleans(), st.lists(st.tuples(st.integers(0, 12), st.integers(0, 3000)), max_size=8)), max_size=30
    ),
    st.integers(1, 6),
)
def test_every_row_is_accounted_for_and_memory_is_bounded(steps, max_pending: int) -> None:
    join = OutcomeJoin(1, WINDOW_MS, max_pending)
    rows = 0
    for is_prediction, chunk in steps:
        ids = [f"e{i}" for i, _ in chunk]
        at = np.array([t for _, t in chunk], np.int64)
        if is_prediction:
            join.predicted(ids, at, np.zeros(len(ids), np.int16), np.full((len(ids), 1), 0.5))
        else:
            join.came_true(OutcomeBatch(ids, np.ones(len(ids)), at, {}))
        rows += len(ids)
        assert join.pending_predictions <= max_pending
        assert join.pending_outcomes <= max_pending
        c = join.counts
        waiting = join.pending_predictions + join.pending_outcomes
        assert 2 * c.joined + c.expired + c.unmatched + c.evicted + c.duplicates + waiting == rows
