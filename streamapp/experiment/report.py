"""What is told of an experiment: the comparisons now, how they came about, and what to mind."""

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from streamapp.errors import ConfigError
from streamapp.experiment.analysis import Analysis, Look
from streamapp.experiment.compare import Comparison
from streamapp.experiment.outcome import Outcome, Reweighting, Until
from streamapp.experiment.plan import Plan
from streamapp.experiment.sample_ratio import ALARM_P, SampleRatio
from streamapp.experiment.units import Tally


@dataclass(frozen=True, slots=True)
class Report:
    """units: closed, by variant, in the present period. p_value: the sample ratio's lowest so far.

    comparisons: (metric, treatment) -> comparison. looks: from the first to the last, at most 129.
    """

    plan: Plan
    units: dict[str, int]
    sample_ratio: SampleRatio
    p_value: float
    comparisons: dict[tuple[str, str], Comparison]
    looks: tuple[Look, ...]
    tally: Tally
    notes: tuple[str, ...]

    @property
    def alarm(self) -> bool:
        """Whether units were not assigned by the weights; then no comparison is to be trusted."""
        return self.p_value < ALARM_P

    def to_dict(self) -> dict[str, Any]:
        """For JSON; what is infinite is None."""
        found = {
            "experiment": self.plan.name,
            "control": self.plan.control,
            "alpha": self.plan.alpha,
            "units": self.units,
            "sample_ratio": {"p_value": self.p_value, "alarm": self.alarm, **self.sample_ratio.to_dict()},
            "comparisons": [
                {"metric": metric, "treatment": treatment, **asdict(comparison), "looks": self._path(metric, treatment)}
                for (metric, treatment), comparison in self.comparisons.items()
            ],
            "tally": asdict(self.tally),
            "notes": list(self.notes),
        }
        plain: dict[str, Any] = _finite(found)
        return plain

    def _path(self, metric: str, treatment: str) -> list[dict[str, float]]:
        pairs = ((look, look.intervals[metric, treatment]) for look in self.looks)
        return [{"units": k.units, "time_ms": k.time_ms, "lower": i.lower, "upper": i.upper} for k, i in pairs]


def report(plan: Plan, outcomes: Iterable[Outcome | Reweighting | Until]) -> Report:
    """All outcomes taken, in order, and the report. Raises `ConfigError`, also if only one variant has units."""
    analysis, last_ms = Analysis(plan), 0
    for found in outcomes:
        if isinstance(found, Reweighting):
            analysis.reweight(found)
            continue
        if isinstance(found, Until):
            analysis.wait(found)
        else:
            analysis.observe(found)
        last_ms = max(last_ms, found.time_ms)
    seen = {variant for period in analysis.sample_ratio.periods for variant, n in period.counts.items() if n}
    if plan.control not in seen or len(seen) < 2:
        raise ConfigError(
            f"{plan.name}: {analysis.tally.outcomes} outcomes of {', '.join(sorted(seen)) or 'no variant'} alone; "
            f"a comparison needs units of {plan.control} and of {' or '.join(plan.treatments)}"
        )
    return report_of(analysis, last_ms)


def report_of(analysis: Analysis, now_ms: int) -> Report:
    """The report as things stand; takes one more look. For a reader of a topic that goes on."""
    plan = analysis.plan
    analysis.look(now_ms)
    comparisons = {(m.name, t): analysis.compare(m, t) for m in plan.metrics for t in plan.treatments}
    return Report(
        plan,
        dict(analysis.units),
        analysis.sample_ratio,
        analysis.lowest_p,
        comparisons,
        tuple(analysis.looks),
        analysis.tally,
        tuple(_notes(analysis)),
    )


def _notes(analysis: Analysis) -> Iterable[str]:
    tally, periods = analysis.tally, len(analysis.sample_ratio.periods)
    if analysis.lowest_p < ALARM_P:
        yield "sample-ratio alarm: units were not assigned by the weights; find out why before reading a comparison"
    if periods > 1:
        yield f"weights changed {periods - 1} times: comparisons are of units first seen since the last change"
    if tally.open:
        yield f"{tally.open} units are still observed and count nowhere yet"
    if tally.crossed:
        yield f"{tally.crossed} units were seen with a second variant; they count for their first one, by its outcomes"
    if tally.outside:
        yield f"{tally.outside} outcomes lie outside their unit's window and were left out"
    if tally.share < 1:
        yield f"memory allows {tally.share:.4g} of all units: a fair sample of them was kept (max_units)"


def _finite(found: Any) -> Any:
    if isinstance(found, dict):
        return {key: _finite(value) for key, value in found.items()}
    if isinstance(found, (list, tuple)):
        return [_finite(value) for value in found]
    return None if isinstance(found, float) and not math.isfinite(found) else found
