import numpy as np
import pytest

from streamapp.batch import MicroBatcher
from streamapp.kafka.chunk import Chunk
from streamapp.kafka.ledger import Partition, Span
from streamapp.kafka.line import spans_of
from streamapp.types import RecordBatch


def chunk(start: int, stop: int, offsets: list[int], partition: int = 0) -> Chunk:
    n = len(offsets)
    records = RecordBatch(
        ["events"] * n,
        np.full(n, partition, np.int32),
        np.array(offsets, np.int64),
        np.zeros(n, np.int64),
        [None] * n,
        [b""] * n,
        [()] * n,
    )
    return Chunk(Span(Partition("events", partition), 1, start, stop), records)


@pytest.mark.parametrize("largest", [1, 2, 3, 5, 100])
def test_pieces_cover_their_chunk_gaps_and_all(largest: int) -> None:
    one = chunk(10, 30, [12, 13, 17, 25, 26, 28])
    two = chunk(5, 9, [5, 6, 8], partition=1)
    batcher: MicroBatcher[Chunk] = MicroBatcher(largest, 0.0)
    batcher.add(one, one.records, 0.0)
    batcher.add(two, two.records, 0.0)
    ends = {0: 10, 1: 5}
    while (batch := batcher.take(1.0)) is not None:
        last = dict(zip(batch.records.partitions.tolist(), batch.records.offsets.tolist(), strict=True))
        for span in spans_of(batch):
            assert span.start == ends[span.partition.number]
            assert span.stop > last[span.partition.number]
            ends[span.partition.number] = span.stop
    assert ends == {0: 30, 1: 9}
