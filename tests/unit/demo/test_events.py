from pathlib import Path

import orjson
import pandas as pd
import pytest

from streamapp.demo.events import Arrivals, Departures, partition_of
from streamapp.demo.faults import KINDS, Fault, broken, draw
from streamapp.demo.journal import Entry, Journal, read_journal

FLIGHTS = pd.DataFrame(
    {
        "flight_id": ["20130301-UA1-EWR", "20130301-UA2-EWR"],
        "scheduled": [pd.Timestamp("2013-03-01 10:00", tz="UTC"), pd.Timestamp("2013-03-01 11:00", tz="UTC")],
        "carrier": "UA", "origin": "EWR", "dest": "IAH", "tailnum": ["N1", None], "hour": 5, "minute": 0, "month": 3,
        "weekday": 5, "distance": 1400,
        "arrived": [pd.Timestamp("2013-03-01 14:00", tz="UTC"), pd.NaT],
        "late": [1.0, float("nan")],
    }
)  # fmt: skip


def test_an_event_says_what_is_known_before_departure_and_no_more() -> None:
    event = Departures.of(FLIGHTS).event(1)
    assert orjson.loads(orjson.dumps(event)) == {
        "flight_id": "20130301-UA2-EWR", "scheduled": 1362135600000, "carrier": "UA", "origin": "EWR", "dest": "IAH",
        "tailnum": None, "hour": 5, "minute": 0, "month": 3, "weekday": 5, "distance": 1400,
    }  # fmt: skip


def test_only_flights_that_arrived_have_an_outcome() -> None:
    arrivals = Arrivals.of(FLIGHTS)
    assert arrivals.ids == ["20130301-UA1-EWR"]
    assert orjson.loads(arrivals.outcome(0)) == {
        "flight_id": "20130301-UA1-EWR",
        "late": True,
        "arrived": 1362146400000,
    }


def test_an_outcome_goes_to_the_partition_of_its_event() -> None:
    assert {partition_of(f"flight-{i}", 2) for i in range(20)} == {0, 1}
    assert partition_of("20130301-UA1-EWR", 4) == 0


@pytest.mark.parametrize("fault", KINDS)
def test_a_broken_event_is_broken_as_its_name_says(fault: Fault) -> None:
    event = Departures.of(FLIGHTS).event(0)
    value = broken(fault, event)
    if fault is Fault.NULL_VALUE:
        assert value is None
        return
    assert value is not None
    if fault is Fault.NOT_JSON:
        with pytest.raises(orjson.JSONDecodeError):
            orjson.loads(value)
        return
    changed = orjson.loads(value).items() ^ event.items()
    field = {
        Fault.MISSING_FIELD: "origin",
        Fault.WRONG_TYPE: "distance",
        Fault.OUT_OF_RANGE: "hour",
        Fault.UNKNOWN_CATEGORY: "carrier",
    }[fault]
    assert {name for name, _ in changed} == {field}


def test_one_in_a_thousand_is_broken_and_each_kind_occurs() -> None:
    rows, kinds = draw(20_000, seed=1)
    assert len(set(rows.tolist())) == 20
    assert set(kinds.tolist()) == set(range(len(KINDS)))
    again, _ = draw(20_000, seed=1)
    other, _ = draw(20_000, seed=2)
    assert rows.tolist() == again.tolist()
    assert rows.tolist() != other.tolist()


def test_a_short_replay_sees_every_kind_too() -> None:
    _, kinds = draw(100, seed=1)
    assert set(kinds.tolist()) == set(range(len(KINDS)))


def test_a_journal_is_read_up_to_its_last_whole_line(tmp_path: Path) -> None:
    path = tmp_path / "journal.tsv"
    with Journal(path) as journal:
        journal.add(Entry(0, 7, "a", ""))
        journal.add(Entry(1, 8, "b", "not JSON"))
    path.write_text(path.read_text() + "1\t9\tc")
    assert list(read_journal(path)) == [Entry(0, 7, "a", ""), Entry(1, 8, "b", "not JSON")]
