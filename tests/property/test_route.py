import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from streamapp.route import BUCKETS, HashRouter, Share, bucket, deal
from streamapp.types import NO_VARIANT, EventBatch, Failure

weights = st.lists(st.floats(0, 1e6), min_size=1, max_size=6).filter(lambda ws: sum(ws) > 1e-6)


def events(keys: list[str], failed: set[int] = frozenset()) -> EventBatch:
    failure = Failure("decode", "not_json", "")
    return EventBatch({}, keys, keys, np.zeros(len(keys), np.int64), dict.fromkeys(failed, failure))


@given(weights)
def test_every_bucket_is_owned_and_each_share_is_within_one_bucket(ws: list[float]) -> None:
    owners = deal(ws)
    assert len(owners) == BUCKETS
    counts = np.bincount(owners, minlength=len(ws))
    exact = np.array(ws) / sum(ws) * BUCKETS
    assert np.all(np.abs(counts - exact) < 1)
    assert all(count == 0 for count, w in zip(counts, ws, strict=True) if w == 0)


@given(st.lists(st.text(), min_size=1, max_size=40), st.data())
def test_a_row_is_answered_by_its_keys_owner_and_failed_rows_by_nobody(keys: list[str], data: st.DataObject) -> None:
    failed = data.draw(st.sets(st.integers(0, len(keys) - 1)))
    shares = [Share("a", 3), Share("b", 1), Share("c", 0, shadow=0.5)]
    owners = deal([3, 1, 0])
    routes = HashRouter("salt", shares).route(events(keys, failed))
    for row, key in enumerate(keys):
        assert routes.answers[row] == (NO_VARIANT if row in failed else owners[bucket(key, "salt")])
    for index, rows in enumerate(routes.rows):
        assert list(rows) == sorted(set(rows.tolist()) - failed)
        assert set(np.flatnonzero(routes.answers == index)) <= set(rows.tolist())


@given(st.floats(0.01, 0.99), st.floats(0.01, 0.99))
def test_changing_a_weight_moves_only_the_difference(w1: float, w2: float) -> None:
    moved = np.count_nonzero(deal([1 - w1, w1]) != deal([1 - w2, w2]))
    assert abs(moved - abs(w2 - w1) * BUCKETS) <= 2
