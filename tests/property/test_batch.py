"""The micro-batcher: every row leaves exactly once, in order, in time, and never in too large a batch."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from streamapp.batch import MicroBatcher
from streamapp.types import RecordBatch

DELAY_S = 0.5


def chunk(source: int, first: int, rows: int) -> RecordBatch:
    offsets = np.arange(first, first + rows, dtype=np.int64)
    return RecordBatch(
        ["t"] * rows,
        np.full(rows, source, np.int32),
        offsets,
        offsets,
        [None] * rows,
        [b"%d" % offset for offset in offsets],
        [()] * rows,
    )


chunks = st.tuples(st.just("add"), st.integers(0, 3), st.integers(0, 12), st.floats(0, 0.4))
takes = st.tuples(st.just("take"), st.just(0), st.just(0), st.floats(0, 0.8))
drops = st.tuples(st.just("drop"), st.integers(0, 3), st.just(0), st.just(0.0))


@settings(max_examples=300, deadline=None)
@given(st.lists(st.one_of(chunks, takes, drops), max_size=40), st.integers(1, 10))
def test_against_a_plain_queue(steps: list[tuple[str, int, int, float]], largest: int) -> None:
    batcher: MicroBatcher[int] = MicroBatcher(largest, DELAY_S)
    queue: list[tuple[int, int, float]] = []  # source, offset, arrival
    next_offset = [0, 0, 0, 0]
    now_s = 0.0
    for what, source, rows, passed_s in steps:
        now_s += passed_s
        if what == "add":
            batcher.add(source, chunk(source, next_offset[source], rows), now_s)
            queue += [(source, next_offset[source] + i, now_s) for i in range(rows)]
            next_offset[source] += rows
        elif what == "drop":
            batcher.drop([source])
            queue = [row for row in queue if row[0] != source]
        else:
            batch = batcher.take(now_s)
            due = bool(queue) and (len(queue) >= largest or now_s >= queue[0][2] + DELAY_S)
            assert (batch is not None) == due
            if batch is not None:
                expected, queue = queue[:largest], queue[largest:]
                taken = list(zip(batch.records.partitions.tolist(), batch.records.offsets.tolist(), strict=True))
                assert taken == [(source, offset) for source, offset, _ in expected]
                by_part = [(part.source, len(part)) for part in batch.parts]
                assert [s for s, n in by_part for _ in range(n)] == [s for s, _ in taken]
        assert batcher.waiting_rows == len(queue)
        ready_at_s = batcher.ready_at_s()
        if not queue:
            assert ready_at_s is None
        elif len(queue) >= largest:
            assert ready_at_s == queue[0][2]
        else:
            assert ready_at_s == queue[0][2] + DELAY_S


@given(st.integers(1, 10), st.lists(st.integers(1, 30), min_size=1, max_size=6))
def test_parts_tell_which_rows_of_their_chunk_they_are(largest: int, sizes: list[int]) -> None:
    batcher: MicroBatcher[int] = MicroBatcher(largest, 0.0)
    arrived = {source: chunk(source, 100 * source, rows) for source, rows in enumerate(sizes)}
    for source, records in arrived.items():
        batcher.add(source, records, 0.0)
    seen = dict.fromkeys(arrived, 0)
    while (batch := batcher.take(1.0)) is not None:
        at = 0
        for part in batch.parts:
            assert part.start == seen[part.source]
            seen[part.source] = part.stop
            rows = batch.records.offsets[at : at + len(part)]
            assert rows.tolist() == arrived[part.source].offsets[part.start : part.stop].tolist()
            at += len(part)
        assert at == len(batch)
    assert seen == {source: len(records) for source, records in arrived.items()}
