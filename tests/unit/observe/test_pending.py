import numpy as np

from streamapp.observe.pending import PendingRows


def _add(pending: PendingRows, ids: list[str], times: list[int]) -> tuple[int, int]:
    return pending.add(ids, np.array(times, np.int64), np.array(times, np.float64)[:, None] / 10)


def test_take_gives_what_was_added_once() -> None:
    pending = PendingRows(10, 1)
    assert _add(pending, ["a", "b", "c"], [1, 2, 3]) == (0, 0)
    rows, times_ms, values = pending.take(["x", "c", "a", "c"])
    assert (rows.tolist(), times_ms.tolist(), values[:, 0].tolist()) == ([1, 2], [3, 1], [0.3, 0.1])
    assert len(pending) == 1


def test_the_first_of_an_id_stays() -> None:
    pending = PendingRows(10, 1)
    assert _add(pending, ["a", "b", "a"], [1, 2, 3]) == (1, 0)
    assert _add(pending, ["b", "c"], [4, 5]) == (1, 0)
    _, times_ms, _ = pending.take(["a", "b", "c"])
    assert times_ms.tolist() == [1, 2, 5]


def test_a_full_table_gives_up_its_oldest() -> None:
    pending = PendingRows(4, 1)
    _add(pending, ["a", "b", "c", "d"], [30, 10, 40, 20])
    assert _add(pending, ["e", "f"], [50, 60]) == (0, 2)
    _, times_ms, _ = pending.take(["a", "b", "c", "d", "e", "f"])
    assert times_ms.tolist() == [30, 40, 50, 60]


def test_more_rows_than_it_holds_at_once() -> None:
    pending = PendingRows(3, 1)
    assert _add(pending, ["a", "b", "c", "d", "e"], [1, 2, 3, 4, 5]) == (0, 2)
    assert len(pending) == 3


def test_expiry_is_by_time_and_frees_the_room() -> None:
    pending = PendingRows(5000, 1)
    _add(pending, [f"e{i}" for i in range(5000)], list(range(5000)))
    assert pending.expire(4000) == 4000
    assert len(pending) == 1000
    assert _add(pending, [f"f{i}" for i in range(4000)], list(range(4000))) == (0, 0)
    assert pending.take(["e3999", "e4000", "f0"])[1].tolist() == [4000, 0]
