from dataclasses import replace

import pytest

from streamapp.dlq.filters import LetterFilter, letter_filter, parse_time
from streamapp.errors import ConfigError
from streamapp.testing.clock import ManualClock
from streamapp.types import Place
from tests.unit.dlq.test_letter import SOURCE, letter


@pytest.mark.parametrize(
    "wanted",
    [
        LetterFilter(),
        LetterFilter(codes=frozenset({"x", "out_of_range"})),
        LetterFilter(fields=frozenset({"distance"}), stages=frozenset({"decode"})),
        LetterFilter(partitions=frozenset({1}), since_ms=9_000, until_ms=9_001),
        LetterFilter(places=frozenset({SOURCE})),
        LetterFilter(places=frozenset({Place("dead", 1, 3)})),
    ],
)
def test_a_letter_that_is_meant(wanted: LetterFilter) -> None:
    assert wanted.matches(letter())


@pytest.mark.parametrize(
    "other",
    [
        {"codes": frozenset({"missing"})},
        {"fields": frozenset({"carrier"})},
        {"stages": frozenset({"enrich"})},
        {"partitions": frozenset({0})},
        {"since_ms": 9_001},
        {"until_ms": 9_000},
        {"places": frozenset({Place("dead", 1, 4)})},
    ],
)
def test_every_condition_counts(other: dict) -> None:
    assert not replace(LetterFilter(codes=frozenset({"out_of_range"})), **other).matches(letter())


@pytest.mark.parametrize(
    ("written", "ms"),
    [
        ("2h", 10_000_000_000 - 7_200_000),
        ("1.5m", 10_000_000_000 - 90_000),
        ("0s", 10_000_000_000),
        ("1970-01-02T00:00:00Z", 86_400_000),
        ("1970-01-02 00:00", 86_400_000),
        ("1970-01-02T02:00:00+02:00", 86_400_000),
    ],
)
def test_times(written: str, ms: int) -> None:
    assert parse_time(written, 10_000_000_000) == ms


@pytest.mark.parametrize("written", ["", "yesterday", "2 hours", "-2h", "2026-13-01"])
def test_what_is_no_time(written: str) -> None:
    with pytest.raises(ConfigError, match="is no time"):
        parse_time(written, 0)


def test_a_filter_as_it_is_written() -> None:
    clock = ManualClock()
    found = letter_filter(["a", "a"], [], [], [2], "1s", None, clock)
    assert found == LetterFilter(codes=frozenset({"a"}), partitions=frozenset({2}), since_ms=clock.now_ms() - 1_000)
