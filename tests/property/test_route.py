import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from streamapp.buckets import BUCKETS, bucket, deal, redeal
from streamapp.route import HashRouter, Share
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


tables = st.integers(1, 6).flatmap(
    lambda n: st.lists(
        st.lists(st.floats(0, 100), min_size=n, max_size=n).filter(lambda ws: sum(ws) > 1e-6), min_size=2, max_size=5
    )
)


@given(tables)
def test_changing_weights_moves_only_the_difference(history: list[list[float]]) -> None:
    owners = deal(history[0])
    for ws in history[1:]:
        before, owners = owners, redeal(owners, ws)
        old, new = (np.bincount(table, minlength=len(ws)) for table in (before, owners))
        assert new.tolist() == np.bincount(deal(ws), minlength=len(ws)).tolist()
        assert np.count_nonzero(before != owners) == np.maximum(old - new, 0).sum()
        assert redeal(owners, ws).tolist() == owners.tolist()
