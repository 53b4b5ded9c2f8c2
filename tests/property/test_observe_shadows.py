"""Shadows compared a column at a time come to what a loop over the rows says."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from streamapp.observe.shadows import compare
from streamapp.types import NO_VARIANT, EventBatch, RecordBatch, Routes, ScoreBlock, ScoredBatch, Variant

VARIANTS = tuple(Variant(name, "m", "1") for name in "abc")
SCORES = st.one_of(st.none(), st.floats(0, 1))
ROW = st.tuples(st.integers(NO_VARIANT, 2), st.tuples(SCORES, SCORES, SCORES))
"""Who answers, and what each says: None where it was not asked or failed."""


def batch(rows: list[tuple[int, tuple[float | None, ...]]]) -> ScoredBatch:
    n = len(rows)
    numbers = np.arange(n, dtype=np.int64)
    blocks = []
    for index in range(3):
        said = {row: scores[index] for row, (_, scores) in enumerate(rows) if scores[index] is not None}
        blocks.append(ScoreBlock(np.array([*said], np.int64), ("p",), np.array([*said.values()], float)[:, None]))
    records = RecordBatch(["t"] * n, numbers.astype(np.int32), numbers, numbers, [None] * n, [None] * n, [()] * n)
    events = EventBatch({}, [""] * n, [""] * n, numbers, {})
    routes = Routes(np.array([answer for answer, _ in rows], np.int16), ())
    return ScoredBatch(records, events, VARIANTS, routes, (), tuple(blocks), {}, 0)


@given(st.lists(ROW, min_size=1, max_size=30))
def test_columns_say_what_rows_say(rows):
    for shadow in range(3):
        others = {index: "p" for index in range(3) if index != shadow}
        found = {each.answering: each for each in compare(batch(rows), shadow, others)}
        for answering in others:
            pairs = [
                (scores[shadow], scores[answering])
                for answer, scores in rows
                if answer == answering and scores[shadow] is not None and scores[answering] is not None
            ]
            if not pairs:
                assert answering not in found
                continue
            each = found[answering]
            assert list(zip(each.said.tolist(), each.answered.tolist(), strict=True)) == pairs
            assert each.agreeing == sum((a >= 0.5) == (b >= 0.5) for a, b in pairs)
            assert each.differences.tolist() == [abs(a - b) for a, b in pairs]
