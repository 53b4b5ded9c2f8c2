import numpy as np
import pytest

from streamapp.errors import ConfigError
from streamapp.experiment.analysis import Analysis
from streamapp.experiment.metric import Kind, Metric
from streamapp.experiment.outcome import Outcome, Reweighting, Until
from streamapp.experiment.plan import Plan
from streamapp.experiment.report import report

CLICKED = Metric("clicked", Kind.PROPORTION)


def plan(**more: object) -> Plan:
    return Plan("x", "a", {"a": 0.5, "b": 0.5}, (CLICKED,), **more)


def outcomes(count: int, seed: int, start_ms: int = 0, shares: tuple[float, float] = (0.5, 0.5)) -> list[Outcome]:
    rng = np.random.default_rng(seed)
    variants, values = rng.choice(["a", "b"], count, p=shares), rng.random(count) < 0.3
    return [Outcome(f"{seed}-{k}", str(variants[k]), start_ms + k, {"clicked": float(values[k])}) for k in range(count)]


def test_two_workers_add_up_to_one() -> None:
    rows = outcomes(400, 1)
    whole, left, right = (Analysis(plan()) for _ in range(3))
    for k, row in enumerate(rows):
        whole.observe(row)
        (left if k % 3 else right).observe(row)
    for variant in ("a", "b"):
        merged = left.moments("clicked", variant).merge(right.moments("clicked", variant))
        assert merged.n == whole.moments("clicked", variant).n
        assert merged.mean == pytest.approx(whole.moments("clicked", variant).mean)
    assert left.sample_ratio.merge(right.sample_ratio) == whole.sample_ratio


def test_comparisons_start_anew_when_weights_change_and_the_ratio_goes_on() -> None:
    rows = outcomes(300, 2) + outcomes(500, 3, 1_000, (0.1, 0.9))
    analysis = Analysis(plan())
    for row in rows[:300]:
        analysis.observe(row)
    analysis.reweight(Reweighting(1_000, {"a": 0.1, "b": 0.9}))
    assert analysis.units == {"a": 0, "b": 0}
    for row in rows[300:]:
        analysis.observe(row)
    assert sum(analysis.units.values()) == 500
    assert [sum(period.counts.values()) for period in analysis.sample_ratio.periods] == [300, 500]
    assert not analysis.sample_ratio.alarm


def test_windows_close_when_time_has_passed_without_an_outcome() -> None:
    rows = outcomes(20, 5)
    for until, closed in ((Until(500), 0), (Until(1_000), 1), (Until(1_010), 11), (Until(9_000), 20)):
        found = report(plan(window_ms=700, lateness_ms=300), [*rows, until])
        assert (sum(found.units.values()), found.tally.open) == (closed, 20 - closed)


def test_looks_are_bounded_and_narrow() -> None:
    found = report(plan(), outcomes(1_500, 4))
    assert len(found.looks) <= 129
    widths = [look.intervals["clicked", "b"].width for look in found.looks]
    assert widths[-1] < 0.25 < widths[len(widths) // 8]
    assert found.looks[-1].units == 1_500


def test_treatments_share_alpha() -> None:
    three = Plan("x", "a", {"a": 1.0, "b": 1.0, "c": 1.0}, (CLICKED,))
    rows = [Outcome(str(k), "abc"[k % 3], k, {"clicked": float(k % 7 == 0)}) for k in range(600)]
    two = [row for row in rows if row.variant != "c"]
    wide = report(three, rows).comparisons["clicked", "b"].interval.width
    assert wide > report(plan(), two).comparisons["clicked", "b"].interval.width


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (Outcome("u", "z", 0, {"clicked": 1}, where="line 7"), "line 7: variant z is not in the plan"),
        (Outcome("u", "a", 0, {"spend": 1}, where="line 8"), "line 8: metric spend is not in the plan"),
        (Outcome("u", "a", 0, {"clicked": 0.5}, where="line 9"), "line 9: clicked is 0.5"),
    ],
)
def test_an_outcome_that_cannot_be_changes_nothing(bad: Outcome, said: str) -> None:
    analysis = Analysis(plan())
    with pytest.raises(ConfigError, match=said):
        analysis.observe(bad)
    assert analysis.tally.outcomes == 0


def test_one_variant_alone_is_no_experiment() -> None:
    with pytest.raises(ConfigError, match="2 outcomes of a alone"):
        report(plan(), [Outcome("u", "a", 0, {}), Outcome("v", "a", 1, {})])


@pytest.mark.parametrize("change", [{"a": 1.0}, {"a": 1.0, "b": 0.0}, {"a": 1.0, "c": 1.0}])
def test_weights_that_cannot_be_are_refused(change: dict[str, float]) -> None:
    with pytest.raises(ConfigError):
        Analysis(plan()).reweight(Reweighting(5, change, "line 3"))


def _rate(by_unit: bool) -> float:
    """False alarms over 20 experiments without an effect; 15 events a unit, which resemble each other."""
    alarms = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        analysis = Analysis(Plan("x", "a", {"a": 1.0, "b": 1.0}, (Metric("v", Kind.BOUNDED),), 20 * by_unit))
        for k in range(100):
            variant, level = "ab"[int(rng.integers(2))], rng.beta(0.2, 0.2)
            for j, value in enumerate((rng.random(15) < level).astype(float)):
                unit = f"{k}" if by_unit else f"{k}-{j}"
                analysis.observe(Outcome(unit, variant, 100 * k + j, {"v": float(value)}))
        alarms += any(0.0 not in look.intervals["v", "b"] for look in analysis.looks)
    return alarms / 20


def test_correlated_events_raise_false_alarms_unless_units_are_counted() -> None:
    assert _rate(by_unit=True) <= 0.05
    assert _rate(by_unit=False) >= 0.2


def test_units_before_the_first_covariate_do_not_spoil_it_for_the_others() -> None:
    rng = np.random.default_rng(9)
    rows = []
    for k in range(2_000):
        variant, before = "ab"[int(rng.integers(2))], float(rng.normal(1_000, 10))
        known = {"spent": before} if k >= 200 else {}
        rows.append(Outcome(f"u{k}", variant, k, {"spent": before + float(rng.normal())}, known))
    (found,) = report(Plan("x", "a", {"a": 1.0, "b": 1.0}, (Metric("spent"),)), rows).comparisons.values()
    # A tenth keeps its variance of about 101, the others 1. With 0 for that tenth nothing would be explained.
    assert found.reduction == pytest.approx(0.89, abs=0.02)
    assert abs(found.interval.estimate) < abs(found.plain.estimate)


def test_units_without_a_covariate_do_not_spoil_it_for_the_others() -> None:
    rng = np.random.default_rng(9)
    rows = []
    for k in range(2_000):
        variant, before = "ab"[int(rng.integers(2))], float(rng.normal(50, 10))
        known = {"spent": before} if (k + 1) % 50 else {}
        rows.append(Outcome(f"u{k}", variant, k, {"spent": before + float(rng.normal())}, known))
    (found,) = report(Plan("x", "a", {"a": 1.0, "b": 1.0}, (Metric("spent"),)), rows).comparisons.values()
    # With 0 for the 40 that have none it would be 0.64.
    assert found.reduction == pytest.approx(0.97, abs=0.01)
