"""Histograms and quality against their definitions."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamapp.observe.histogram import Histogram
from streamapp.observe.quality import auc, calibration_error, reliability
from streamapp.observe.windows import LastRows

BOUNDS = (0.1, 1.0, 5.0)


@given(st.lists(st.lists(st.floats(-1, 10) | st.sampled_from(BOUNDS), max_size=20), max_size=5))
def test_histogram_counts_values_at_or_below_each_bound(batches: list[list[float]]) -> None:
    columns, singles = Histogram(BOUNDS), Histogram(BOUNDS)
    for batch in batches:
        columns.add_all(np.array(batch))
        for value in batch:
            singles.add(value)
    values = [v for batch in batches for v in batch]
    expected = [*(sum(v <= bound for v in values) for bound in BOUNDS), len(values)]
    for histogram in (columns, singles):
        counts, total = histogram.cumulative()
        assert counts == expected
        assert total == pytest.approx(math.fsum(values), abs=1e-9)


@given(st.lists(st.tuples(st.integers(0, 5).map(lambda i: i / 5), st.sampled_from([0.0, 1.0])), max_size=40))
def test_auc_is_the_chance_that_a_positive_is_ranked_above_a_negative(pairs: list[tuple[float, float]]) -> None:
    scores, labels = np.array([p for p, _ in pairs]), np.array([y for _, y in pairs])
    wins = [
        1.0 if p > q else 0.5 if p == q else 0.0 for p, y in pairs if y == 1.0 for q, other in pairs if other == 0.0
    ]
    if wins:
        assert auc(scores, labels) == pytest.approx(sum(wins) / len(wins))
    else:
        assert math.isnan(auc(scores, labels))


@given(st.lists(st.tuples(st.floats(0, 1), st.sampled_from([0.0, 1.0])), min_size=1, max_size=60))
def test_calibration_error_is_the_weighted_gap_per_bin(pairs: list[tuple[float, float]]) -> None:
    bins: dict[int, list[tuple[float, float]]] = {}
    for p, y in pairs:
        bins.setdefault(min(int(p * 10), 9), []).append((p, y))
    gap = sum(abs(sum(p for p, _ in rows) - sum(y for _, y in rows)) for rows in bins.values()) / len(pairs)
    table = reliability(np.array([p for p, _ in pairs]), np.array([y for _, y in pairs]))
    assert calibration_error(table) == pytest.approx(gap, abs=1e-9)
    assert table.rows.sum() == len(pairs)


@given(st.lists(st.integers(0, 12), max_size=12), st.integers(1, 10))
def test_a_window_keeps_the_last_rows(sizes: list[int], size: int) -> None:
    window, rows = LastRows(size), np.arange(sum(sizes), dtype=np.float64)
    start = 0
    for n in sizes:
        window.add(rows[start : start + n], -rows[start : start + n])
        start += n
    scores, labels = window.copy()
    assert sorted(scores.tolist()) == rows[-size:].tolist()
    assert labels.tolist() == (-scores).tolist()
