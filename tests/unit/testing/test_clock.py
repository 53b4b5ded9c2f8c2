import pytest

from streamapp.protocols import Clock
from streamapp.testing import ManualClock


def test_it_stands_still_until_advanced():
    clock: Clock = ManualClock(now_ms=1_000, monotonic_s=5.0)
    assert (clock.now_ms(), clock.monotonic_s()) == (1_000, 5.0)
    assert (clock.now_ms(), clock.monotonic_s()) == (1_000, 5.0)


def test_both_clocks_advance_together():
    clock = ManualClock(now_ms=1_000)
    for _ in range(10):
        clock.advance(0.1)
    assert clock.now_ms() == 2_000
    assert clock.monotonic_s() == pytest.approx(1.0)


def test_time_does_not_run_back():
    with pytest.raises(ValueError, match="-1"):
        ManualClock().advance(-1)


def test_the_wall_clock_can_be_turned_alone():
    clock = ManualClock(now_ms=1_000)
    clock.advance(1)
    clock.set_wall(500)
    assert (clock.now_ms(), clock.monotonic_s()) == (500, 1.0)
    clock.advance(1)
    assert clock.now_ms() == 1_500
