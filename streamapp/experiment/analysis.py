"""Evidence as it grows, looked at as it grows."""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from streamapp.errors import ConfigError
from streamapp.experiment.compare import Comparison, compare
from streamapp.experiment.interval import Interval
from streamapp.experiment.metric import Metric
from streamapp.experiment.moments import Moments
from streamapp.experiment.outcome import Outcome, Reweighting, Until
from streamapp.experiment.plan import Plan
from streamapp.experiment.sample_ratio import Period, SampleRatio
from streamapp.experiment.units import ClosedUnit, Tally, Units

_MOST_LOOKS = 128


@dataclass(frozen=True, slots=True)
class Look:
    """What was known when `units` units of the period had closed; time_ms: when the last of them was first seen."""

    units: int
    time_ms: int
    intervals: dict[tuple[str, str], Interval]
    p_value: float


@dataclass(slots=True)
class Analysis:
    """Feed it outcomes one by one; ask for comparisons at any moment.

    Comparisons are of units first seen in the present period of constant weights: they start anew when weights
    change, because a mixture of periods compares times of day and of year as well as variants (Simpson's paradox).
    The sample-ratio check goes through all periods.
    """

    plan: Plan
    looks: list[Look] = field(default_factory=list)
    lowest_p: float = 1.0
    _units: Units = field(init=False)
    _starts: list[int] = field(default_factory=list)
    _periods: list[Period] = field(default_factory=list)
    _moments: dict[tuple[str, str], Moments] = field(default_factory=dict)
    _covariates: dict[str, tuple[int, float]] = field(default_factory=dict)
    _counted: int = 0
    _by_variant: dict[str, int] = field(default_factory=dict)
    _step: int = 1

    def __post_init__(self) -> None:
        self._units = Units(self.plan)
        self._periods.append(Period(self.plan.weights))
        self._restart()

    def observe(self, outcome: Outcome) -> None:
        """One more. Raises `ConfigError` for an unknown variant or metric, an impossible value, a unit that repeats."""
        self._check(outcome)
        if self._units.add(outcome):
            period = self._period(outcome.time_ms)
            self._periods[period] = self._periods[period].add(outcome.variant)
        self._close()

    def wait(self, until: Until) -> None:
        """Time has passed, and nothing more will be told of it."""
        self._units.wait(until.time_ms)
        self._close()

    def reweight(self, change: Reweighting) -> None:
        """Weights from a time on. Raises `ConfigError` for other variants or a time before an earlier change's."""
        if set(change.weights) != set(self.plan.weights):
            raise ConfigError(f"{change.where}: weights must name {', '.join(self.plan.weights)}, no more and no less")
        if self._starts and change.time_ms <= self._starts[-1]:
            raise ConfigError(f"{change.where}: weights change at {change.time_ms}, not after {self._starts[-1]}")
        self._periods.append(Period(change.weights))
        self._starts.append(change.time_ms)
        self._restart()

    def moments(self, metric: str, variant: str) -> Moments:
        """The present period's evidence; add those of several workers with `merge`."""
        return self._moments[metric, variant]

    @property
    def sample_ratio(self) -> SampleRatio:
        """Units by their first outcome, all periods."""
        return SampleRatio(tuple(self._periods))

    @property
    def units(self) -> dict[str, int]:
        """Closed, in the present period, by variant."""
        return self._by_variant

    @property
    def tally(self) -> Tally:
        """What happened to outcomes and units."""
        return self._units.tally

    def compare(self, metric: Metric, treatment: str) -> Comparison:
        """As things stand. Several treatments share the plan's alpha."""
        weights, control = self._periods[-1].weights, self.plan.control
        return compare(
            metric,
            self._moments[metric.name, control],
            self._moments[metric.name, treatment],
            self.plan.alpha / len(self.plan.treatments),
            (weights[control], weights[treatment]),
            self.plan.burn_in,
        )

    def look(self, time_ms: int) -> Look:
        """Take one more look; it is kept."""
        intervals = {(m.name, t): self.compare(m, t).interval for m in self.plan.metrics for t in self.plan.treatments}
        self.lowest_p = min(self.lowest_p, self.sample_ratio.p_value())
        self.looks.append(Look(self._counted, time_ms, intervals, self.lowest_p))
        return self.looks[-1]

    def _close(self) -> None:
        for unit in self._units.closed():
            self._count(unit)

    def _check(self, outcome: Outcome) -> None:
        if outcome.variant not in self.plan.weights:
            known = ", ".join(self.plan.weights)
            raise ConfigError(f"{outcome.where}: variant {outcome.variant} is not in the plan, which has {known}")
        metrics = {metric.name: metric for metric in self.plan.metrics}
        if strange := sorted({*outcome.values, *outcome.covariates} - set(metrics)):
            raise ConfigError(f"{outcome.where}: metric {', '.join(strange)} is not in the plan: {', '.join(metrics)}")
        try:
            for name, value in outcome.values.items():
                metrics[name].check(value)
        except ConfigError as error:
            raise ConfigError(f"{outcome.where}: {error}") from error

    def _count(self, unit: ClosedUnit) -> None:
        if self._period(unit.first_ms) != len(self._periods) - 1:
            return
        for name, value in unit.values.items():
            covariate, key = self._covariate(name, unit), (name, unit.variant)
            self._moments[key] = self._moments[key].add(value, covariate)
        self._counted += 1
        self._by_variant[unit.variant] += 1
        if self._counted % self._step == 0:
            self.look(unit.first_ms)
            if len(self.looks) >= _MOST_LOOKS:
                self.looks, self._step = self.looks[1::2], 2 * self._step

    def _covariate(self, name: str, unit: ClosedUnit) -> float:
        """The unit's, or the mean of those of units before it: that takes nothing off, where 0 would add variance.

        Units before the first one that has any count with that one's, which is the same for all of them.
        """
        count, total = self._covariates.get(name, (0, 0.0))
        found = unit.covariates.get(name)
        if found is None:
            return total / count if count else 0.0
        if count == 0:
            for variant in self.plan.weights:
                self._moments[name, variant] = replace(self._moments[name, variant], x_mean=found)
        self._covariates[name] = count + 1, total + found
        return found

    def _period(self, time_ms: int) -> int:
        return bisect_right(self._starts, time_ms)

    def _restart(self) -> None:
        keys: Iterable[tuple[str, str]] = ((m.name, v) for m in self.plan.metrics for v in self.plan.weights)
        self._moments = dict.fromkeys(keys, Moments())
        self._by_variant = dict.fromkeys(self.plan.weights, 0)
        self.looks, self._counted, self._step = [], 0, 1
