"""A batch's outputs are dealt to the input partitions they answer: each record once, in order."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from streamapp.kafka.ledger import Partition, Span
from streamapp.kafka.transactions import units
from streamapp.types import OutgoingBatch


def outgoing(topic: str, rows: list[int]) -> OutgoingBatch:
    n = len(rows)
    values = [b"%s-%d" % (topic.encode(), row) for row in rows]
    return OutgoingBatch(topic, np.array(rows, np.int64), np.zeros(n, np.int32), [None] * n, values, [()] * n)


@st.composite
def jobs(draw: st.DrawFn) -> tuple[list[Span], list[int], list[bool]]:
    """Spans of up to three partitions, back to back per partition, their ends, and which rows failed."""
    parts = draw(st.lists(st.tuples(st.integers(0, 2), st.integers(1, 5)), min_size=1, max_size=8))
    at = dict.fromkeys(range(3), 100)
    spans, ends = [], []
    for number, rows in parts:
        spans.append(Span(Partition("in", number), 7, at[number], at[number] + rows))
        at[number] += rows
        ends.append((ends[-1] if ends else 0) + rows)
    return spans, ends, draw(st.lists(st.booleans(), min_size=ends[-1], max_size=ends[-1]))


@given(jobs())
def test_each_record_is_in_the_unit_of_its_partition_once_and_in_order(
    job: tuple[list[Span], list[int], list[bool]],
) -> None:
    spans, ends, failed = job
    rows = range(ends[-1])
    owner = [
        span.partition for span, start, end in zip(spans, [0, *ends], ends, strict=False) for _ in range(start, end)
    ]
    good, bad = [r for r in rows if not failed[r]], [r for r in rows if failed[r]]
    found = units([outgoing("p", good), outgoing("d", bad)], spans, ends)
    assert [unit.span for unit in found] == [
        [span for span in spans if span.partition == partition][-1] for partition in dict.fromkeys(owner)
    ]
    for unit in found:
        mine = [row for row in rows if owner[row] == unit.span.partition]
        for topic, chosen in (("p", good), ("d", bad)):
            written = [v for batch in unit.batches if batch.topic == topic for v in batch.values]
            assert written == [b"%s-%d" % (topic.encode(), row) for row in mine if row in chosen]
