import numpy as np
from aiokafka.partitioner import DefaultPartitioner

from streamapp.kafka.sending import output_partitions, take
from streamapp.types import OutgoingBatch


def batch(partitions: list[int], keys: list[bytes | None] | None = None) -> OutgoingBatch:
    n = len(partitions)
    return OutgoingBatch(
        "predictions",
        np.arange(n, dtype=np.int64) * 10,
        np.array(partitions, np.int32),
        keys if keys is not None else [b"k%d" % i for i in range(n)],
        [b"v%d" % i for i in range(n)],
        [[("h", b"%d" % i)] for i in range(n)],
    )


def test_the_partition_number_of_the_input_is_kept() -> None:
    assert output_partitions(batch([3, 0, 3, 1]), 4).tolist() == [3, 0, 3, 1]


def test_without_such_a_partition_the_key_decides_as_kafka_does() -> None:
    keys: list[bytes | None] = [b"a", b"b", b"a", b"c"]
    found = output_partitions(batch([7, 5, 7, -1], keys), 3).tolist()
    assert found == [DefaultPartitioner()(key, [0, 1, 2], [0, 1, 2]) for key in keys]


def test_no_key_and_no_such_partition_is_still_one_place_per_input_partition() -> None:
    assert output_partitions(batch([7, 5, 7], [None] * 3), 3).tolist() == [1, 2, 1]


def test_taking_keeps_every_column_in_step() -> None:
    found = take(batch([0, 1, 2, 3]), np.array([3, 1]))
    assert found.rows.tolist() == [30, 10]
    assert found.partitions.tolist() == [3, 1]
    assert (found.keys, found.values) == ([b"k3", b"k1"], [b"v3", b"v1"])
    assert found.headers == [[("h", b"3")], [("h", b"1")]]
