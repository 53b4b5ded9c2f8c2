import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from streamapp.errors import InferenceError
from streamapp.infer.bisect import bisect
from streamapp.infer.rows import in_chunks


@given(count=st.integers(1, 300), data=st.data())
def test_bisect_finds_exactly_the_bad_rows_in_k_log_n_calls(count: int, data: st.DataObject):
    bad_rows = data.draw(st.sets(st.integers(0, count - 1), max_size=12))
    calls = 0

    def attempt(start: int, stop: int) -> range:
        nonlocal calls
        calls += 1
        if any(start <= row < stop for row in bad_rows):
            raise InferenceError("bad")
        return range(start, stop)

    good, bad = bisect(count, attempt)
    assert set(bad) == bad_rows
    healthy = [row for _, _, rows in good for row in rows]
    assert healthy == [row for row in range(count) if row not in bad_rows]
    assert calls <= 1 + 2 * len(bad_rows) * math.ceil(math.log2(max(count, 2)))


@given(
    count=st.integers(1, 60),
    least=st.integers(1, 12),
    room=st.integers(0, 12) | st.none(),
    fixed=st.booleans(),
)
def test_chunks_keep_rows_and_order_within_the_models_limits(count: int, least: int, room: int | None, fixed: bool):
    most = least if fixed else None if room is None else least + room

    def infer(inputs):
        rows = len(inputs["x"])
        assert rows >= least
        assert most is None or rows <= most
        return {"y": inputs["x"] + 1}

    assert in_chunks(infer, {"x": np.arange(count)}, least, most)["y"].tolist() == list(range(1, count + 1))
