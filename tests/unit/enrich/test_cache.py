import numpy as np
import pytest

from streamapp.enrich.cache import EntityCache
from streamapp.enrich.reader import NO_ROW, FeatureRows

T = 1_700_000_000_000


def rows(*values, event_time_ms=T):
    return FeatureRows(np.array([[v] for v in values], np.float32), np.full(len(values), event_time_ms, np.int64))


def hits(cache, keys, monotonic_ms=0, times_ms=None):
    times = None if times_ms is None else np.array(times_ms, np.int64)
    return cache.lookup(keys, monotonic_ms, times).hit.tolist()


def test_rows_come_back_by_key_in_any_order_and_number():
    cache = EntityCache(10, 1, 30)
    cache.insert(["a", "b"], rows(1, 2), 0, None)
    found = cache.lookup(["b", "x", "a", None, "b"], 0, None)
    assert found.hit.tolist() == [True, False, True, False, True]
    assert found.values[found.hit, 0].tolist() == [2, 1, 2]
    assert found.event_times_ms[found.hit].tolist() == [T, T, T]


def test_an_entity_is_kept_for_the_ttl_and_not_longer():
    cache = EntityCache(10, 1, 30)
    cache.insert(["a"], rows(1), 0, None)
    assert hits(cache, ["a"], 30_000) == [True]
    assert hits(cache, ["a"], 30_001) == [False]
    cache.insert(["a"], rows(2), 30_001, None)
    assert hits(cache, ["a"], 60_001) == [True]
    assert len(cache) == 1


def test_an_unknown_entity_is_remembered_for_a_tenth():
    cache = EntityCache(10, 1, 30)
    cache.insert(["a"], rows(np.nan, event_time_ms=NO_ROW), 0, None)
    assert hits(cache, ["a"], 3_000) == [True]
    assert hits(cache, ["a"], 3_001) == [False]


def test_event_time_ages_entries_as_the_wall_clock_would():
    cache = EntityCache(10, 1, 30)
    cache.insert(["a"], rows(1), 0, np.array([T]))
    times = [T, T + 30_000, T + 30_001, T - 3_600_000, T - 86_400_001]
    assert hits(cache, ["a"] * 5, 1, times) == [True, True, False, True, False]


def test_an_event_from_the_future_cannot_keep_an_entry_for_longer_than_the_ttl():
    cache = EntityCache(10, 1, 30)
    cache.insert(["a"], rows(1), 0, np.array([T + 7_200_000]))
    assert hits(cache, ["a"], 30_000, [T]) == [True]
    assert hits(cache, ["a"], 30_001, [T]) == [False]


def test_the_size_is_bounded_and_entities_in_use_stay():
    cache = EntityCache(4, 1, 30)
    cache.insert(list("abcd"), rows(1, 2, 3, 4), 0, None)
    assert hits(cache, ["a", "c"]) == [True, True]
    cache.insert(["e", "f"], rows(5, 6), 0, None)
    found = cache.lookup(list("abcdef"), 0, None)
    assert found.hit.tolist() == [True, False, True, False, True, True]
    assert found.values[found.hit, 0].tolist() == [1, 3, 5, 6]
    assert (len(cache), cache.evictions) == (4, 2)


def test_more_than_fit_at_once_keeps_the_last():
    cache = EntityCache(3, 1, 30)
    cache.insert(list("abcde"), rows(1, 2, 3, 4, 5), 0, None)
    found = cache.lookup(list("abcde"), 0, None)
    assert found.hit.tolist() == [False, False, True, True, True]
    assert found.values[2:, 0].tolist() == [3, 4, 5]


@pytest.mark.parametrize(("max_entities", "ttl_s"), [(0, 30), (10, 0)])
def test_a_cache_that_is_off_holds_nothing(max_entities, ttl_s):
    cache = EntityCache(max_entities, 1, ttl_s)
    cache.insert(["a"], rows(1), 0, None)
    assert hits(cache, ["a"]) == [False]
    assert len(cache) == 0
