import pytest

from streamapp.errors import DependencyError, InferenceError
from streamapp.infer.bisect import bisect


def test_finds_one_bad_row_in_logarithmic_calls():
    calls = []

    def attempt(start: int, stop: int) -> range:
        calls.append((start, stop))
        if start <= 700 < stop:
            raise InferenceError("bad")
        return range(start, stop)

    good, bad = bisect(1024, attempt)
    assert list(bad) == [700]
    assert [row for _, _, rows in good for row in rows] == [row for row in range(1024) if row != 700]
    assert len(calls) <= 1 + 2 * 10


def test_a_range_known_to_fail_is_not_tried_again():
    calls = []

    def attempt(start: int, stop: int) -> None:
        calls.append((start, stop))

    bisect(4, attempt, failed=True)
    assert calls == [(0, 2), (2, 4)]


def test_no_rows_is_no_call():
    assert bisect(0, lambda start, stop: 1 / 0) == ([], {})


def test_another_error_passes_through():
    def attempt(start: int, stop: int) -> None:
        raise DependencyError("out of memory")

    with pytest.raises(DependencyError):
        bisect(8, attempt)
