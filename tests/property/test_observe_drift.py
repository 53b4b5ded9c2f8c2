"""The same rows in the same order give the same signals, however they were batched."""

import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from streamapp.config.settings import DriftSettings
from streamapp.observe.blocks import BlockMeans
from streamapp.observe.drift import VariantDrift
from streamapp.types import Float64, Signal, Variant

VARIANT = Variant("champion", "m", "1")
NAMES = ("shifting", "returning", "constant", "gappy")
DRIFT = DriftSettings(
    block_rows=8, reference_rows=160, detectors=("adwin", "page_hinkley", "kswin"), kswin_sample_every=15
)


def _rows() -> Float64:
    rng = np.random.RandomState(11)
    rows = rng.normal(50.0, 3.0, (4000, len(NAMES)))
    for i in range(1, 4000):
        rows[i, 1] = 0.9 * rows[i - 1, 1] + 0.1 * rows[i, 1]
    rows[1500:, 0] += 6.0
    rows[1000:2200, 1] -= 4.0
    rows[:, 2] = 7.0
    rows[rng.random_sample(4000) < 0.4, 3] = np.nan
    rows[2500:2600, 3] = np.inf
    rows[3000:, 3] += 9.0
    return rows


ROWS = _rows()
TIMES_MS = 1000 * np.arange(len(ROWS), dtype=np.int64)


def _signals(cuts: list[int]) -> tuple[list[Signal], list[int]]:
    drift = VariantDrift(DRIFT, VARIANT, NAMES)
    edges = sorted({0, len(ROWS), *cuts})
    signals = [s for a, b in itertools.pairwise(edges) for s in drift.update(ROWS[a:b], TIMES_MS[a:b])]
    return signals, drift.missing.tolist()


WHOLE = _signals([])


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(1, len(ROWS) - 1), max_size=60))
def test_signals_do_not_depend_on_the_batches(cuts: list[int]) -> None:
    assert _signals(cuts) == WHOLE


def test_every_stream_that_changes_is_found_and_the_others_are_not() -> None:
    assert {s.feature for s in WHOLE[0]} == {"shifting", "returning", "gappy"}
    assert {s.detector for s in WHOLE[0]} >= {"page_hinkley", "kswin"}


@settings(max_examples=100, deadline=None)
@given(
    st.integers(1, 5),
    st.integers(1, 40),
    st.lists(st.integers(0, 50), max_size=12),
    st.integers(0, 2**31),
    st.floats(0, 0.9),
)
def test_block_means_are_bit_for_bit_the_same(
    streams: int, block_rows: int, sizes: list[int], seed: int, gaps: float
) -> None:
    rng = np.random.default_rng(seed)
    n = sum(sizes)
    rows = rng.normal(1e6, 1.0, (n, streams))
    rows[rng.random(rows.shape) < gaps] = np.nan
    times_ms = np.arange(n, dtype=np.int64)
    whole = BlockMeans(streams, block_rows)
    means, ends_ms = whole.add(rows, times_ms)
    parts = BlockMeans(streams, block_rows)
    ends = np.cumsum([0, *sizes])
    cut = [parts.add(rows[a:b], times_ms[a:b]) for a, b in itertools.pairwise(ends)]
    assert len(means) == n // block_rows
    np.testing.assert_array_equal(np.concatenate([np.empty((0, streams)), *(c[0] for c in cut)]), means)
    assert [t for c in cut for t in c[1]] == ends_ms.tolist()
    assert parts.missing.tolist() == whole.missing.tolist()
