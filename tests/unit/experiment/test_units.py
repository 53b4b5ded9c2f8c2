from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamapp.errors import ConfigError
from streamapp.experiment.metric import Aggregate, Kind, Metric
from streamapp.experiment.outcome import Outcome
from streamapp.experiment.plan import Plan
from streamapp.experiment.units import ClosedUnit, Units

METRICS = (
    Metric("clicked", Kind.PROPORTION),
    Metric("spend"),
    Metric("latency", Kind.BOUNDED, low=0, high=10),
    Metric("capped", Kind.BOUNDED, Aggregate.SUM, low=0, high=5),
)


def plan(window_ms: int = 100, **more: int) -> Plan:
    return Plan("x", "a", {"a": 1.0, "b": 1.0}, METRICS, window_ms, **more)


def run(units: Units, outcomes: Iterable[Outcome]) -> list[ClosedUnit]:
    found = []
    for outcome in outcomes:
        units.add(outcome)
        found += units.closed()
    return found


def event(unit: str, time_ms: int, variant: str = "a", **values: float) -> Outcome:
    return Outcome(unit, variant, time_ms, values, where="here")


def test_a_unit_enters_once_when_its_window_has_closed() -> None:
    units = Units(plan())
    first = [event("u", 0, clicked=0, spend=2, latency=4, capped=4), event("u", 99, clicked=1, spend=3, capped=4)]
    assert run(units, [*first, event("v", 99)]) == []
    (found,) = run(units, [event("v", 100, spend=1)])
    assert found == ClosedUnit("a", 0, {"clicked": 1, "spend": 5, "latency": 4, "capped": 5}, {})
    assert run(units, [event("u", 150, spend=100)]) == []
    assert units.tally.outside == 1
    (later,) = run(units, [event("w", 500)])
    assert later == ClosedUnit("a", 99, {"clicked": 0.0, "spend": 1, "capped": 0.0}, {})


def test_lateness_waits_and_what_lies_outside_the_window_is_left_out() -> None:
    units = Units(plan(lateness_ms=50))
    late = [event("u", 10, spend=1), event("v", 120), event("u", 100, spend=2), event("u", 5, spend=4)]
    assert run(units, [*late, event("u", 130, spend=8)]) == []
    (found,) = run(units, [event("v", 160)])
    assert (found.values["spend"], units.tally.outside) == (3, 2)


def test_a_unit_of_two_variants_counts_for_its_first_one_with_what_happened_there() -> None:
    units = Units(plan())
    seen = [event("u", 0, spend=1), event("u", 1, "b", spend=2), event("u", 2, spend=4), event("u", 3, "b", spend=8)]
    (found,) = run(units, [*seen, event("w", 100)])
    assert (found.variant, found.values["spend"], units.tally.crossed, units.tally.outside) == ("a", 5, 1, 0)


def test_without_a_window_a_unit_that_repeats_is_refused() -> None:
    units = Units(plan(0))
    assert len(run(units, [event("u", 0, spend=1), event("v", 0, spend=1)])) == 2
    with pytest.raises(ConfigError, match=r"here: unit u again.*window_ms"):
        units.add(event("u", 1, spend=1))


@given(st.integers(1, 30), st.integers(0, 200))
def test_memory_is_bounded_and_no_unit_enters_twice(most: int, number: int) -> None:
    units, found = Units(plan(max_units=most)), []
    for turn in range(3):
        for k in range(number):
            units.add(event(f"u{k}", 1_000 * turn + k, spend=k))
            found += [unit.values["spend"] for unit in units.closed()]
            assert units.tally.open <= len(units._seen) <= most
    assert len(found) == len(set(found))


def test_thinning_does_not_look_at_values_and_keeps_a_fair_share() -> None:
    outcomes = [event(f"u{k}", k, spend=float(k % 2)) for k in range(20_000)]
    units = Units(plan(max_units=5_000))
    other = Units(plan(max_units=5_000))
    kept = [unit.first_ms for unit in run(units, outcomes)]
    flipped = run(other, [event(o.unit, o.time_ms, spend=1 - o.values["spend"]) for o in outcomes])
    assert kept == [unit.first_ms for unit in flipped]
    assert 0 < units.tally.share <= 0.25
    late = sum(first_ms > 15_000 for first_ms in kept)
    assert late == pytest.approx(5_000 * units.tally.share, rel=0.2)
