import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamapp.demo.timeline import Kind, Pace, Timeline, merge

TIMES = st.lists(st.integers(0, 50), max_size=20).map(lambda times: np.array(sorted(times), np.int64))


def happenings(timeline: Timeline) -> list[tuple[int, Kind, int]]:
    columns = timeline.times_ms.tolist(), timeline.kinds.tolist(), timeline.rows.tolist()
    return [(time, Kind(kind), row) for time, kind, row in zip(*columns, strict=True)]


def test_a_measurement_comes_before_the_departure_of_its_minute() -> None:
    timeline = merge(np.array([10, 20]), np.array([10, 15, 20]), np.array([12, 20]))
    assert happenings(timeline) == [
        (10, Kind.MEASURED, 0),
        (10, Kind.DEPARTS, 0),
        (12, Kind.ARRIVED, 0),
        (15, Kind.DEPARTS, 1),
        (20, Kind.ARRIVED, 1),
        (20, Kind.MEASURED, 1),
        (20, Kind.DEPARTS, 2),
    ]


@given(TIMES, TIMES, TIMES)
def test_nothing_is_early_lost_or_doubled(measured: np.ndarray, departs: np.ndarray, arrived: np.ndarray) -> None:
    timeline = merge(measured, departs, arrived)
    assert np.all(np.diff(timeline.times_ms) >= 0)
    last = departs.max(initial=-1)
    streams = {Kind.MEASURED: measured[measured <= last], Kind.DEPARTS: departs, Kind.ARRIVED: arrived}
    for kind, times in streams.items():
        rows = timeline.rows[timeline.kinds == kind]
        assert rows.tolist() == list(range(len(times)))
        assert timeline.times_ms[timeline.kinds == kind].tolist() == times.tolist()


def test_a_run_ends_before_the_next_measurement_and_with_what_is_due() -> None:
    timeline = merge(np.array([10, 20]), np.array([10, 15, 25]), np.array([], np.int64))
    assert timeline.until(1, 100.0) == 3
    assert timeline.until(1, 12.0) == 2
    assert timeline.until(4, 22.0) == 4
    assert timeline.until(4, 25.0) == 5


def test_event_time_runs_at_its_speed() -> None:
    pace = Pace(start_ms=1_000.0, speed=100.0, monotonic_s=5.0)
    assert pace.now_ms(5.5) == 51_000.0
    assert pace.wait_s(101_000.0, 5.5) == pytest.approx(0.5)
    assert pace.wait_s(11_000.0, 5.5) == 0.0


def test_a_replay_that_falls_behind_slows_down_and_does_not_burst() -> None:
    pace = Pace(start_ms=0.0, speed=100.0, monotonic_s=0.0, slack_s=2.0)
    pace.reached(100_000.0, 2.5)
    assert pace.now_ms(2.5) == 250_000.0
    pace.reached(100_000.0, 11.0)
    assert pace.now_ms(11.0) == pytest.approx(300_000.0)
