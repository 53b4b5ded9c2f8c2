"""From events to units: each unit enters the evidence once, when its observation window has closed.

The estimand is the difference of variants' means of "a unit's value over `window_ms` from its first outcome", over
units as they come. A unit's value is final when it enters, and whether and when it enters depends on its first time
alone, not on its value: so units are independent draws of that value and a look at any moment is a look at a sequence
of them. Events of one unit may be as correlated as they like. A unit whose window is still open counts nowhere yet.

Memory is bounded by sampling units, not by forgetting them: a unit is admitted if a hash of its key lies below a
bar. When more than `max_units` are remembered, the bar is halved and what lies above it is dropped. The hash knows
nothing of outcomes and is not the one that routes, so what stays is a fair sample, and a unit that was dropped can
never come back as a new one.
"""

import hashlib
import heapq
import math
from collections.abc import Iterator
from dataclasses import dataclass, field

from streamapp.errors import ConfigError
from streamapp.experiment.metric import Metric
from streamapp.experiment.outcome import Outcome
from streamapp.experiment.plan import Plan

_ALL = 1 << 64


@dataclass(frozen=True, slots=True)
class ClosedUnit:
    """A unit whose value is final. values: metric -> value, without the metrics that leave it out."""

    variant: str
    first_ms: int
    values: dict[str, float]
    covariates: dict[str, float]


@dataclass(slots=True)
class _Sum:
    total: float = 0.0
    largest: float = -math.inf
    events: int = 0

    def add(self, value: float) -> None:
        self.total += value
        self.largest = max(self.largest, value)
        self.events += 1


@dataclass(slots=True)
class _Open:
    variant: str
    first_ms: int
    sums: dict[str, _Sum]
    covariates: dict[str, float]
    crossed: bool = False


@dataclass(slots=True)
class Tally:
    """What happened to outcomes and units. outside: outcomes before a unit's first or after its window.

    crossed: units seen with a second variant; they count for the first, without what happened in another.
    share: of all units, those that memory allows.
    """

    outcomes: int = 0
    outside: int = 0
    crossed: int = 0
    open: int = 0
    share: float = 1.0


@dataclass(slots=True)
class Units:
    """Open and closed units of one plan. One worker must see all outcomes of a unit (they share its key)."""

    plan: Plan
    tally: Tally = field(default_factory=Tally)
    _bar: int = _ALL
    _seen: dict[int, _Open | None] = field(default_factory=dict)
    _deadlines: list[tuple[int, int]] = field(default_factory=list)
    _watermark_ms: int | None = None

    def add(self, outcome: Outcome) -> bool:
        """Takes one outcome; True if it is a new unit's first and the unit was admitted. `closed` comes next.

        Raises `ConfigError` where the plan has no window and the unit was there before.
        """
        self.tally.outcomes += 1
        self.wait(outcome.time_ms)
        key = _key(outcome.unit)
        if key >= self._bar:
            return False
        is_new = key not in self._seen
        if is_new:
            self._open(key, outcome)
        elif self.plan.window_ms == 0:
            raise ConfigError(f"{outcome.where}: unit {outcome.unit} again; set window_ms to add up a unit's events")
        unit = self._seen.get(key)
        if unit is not None:
            self._take(unit, outcome)
        elif not is_new:
            self.tally.outside += 1
        return is_new and key < self._bar

    def wait(self, until_ms: int) -> None:
        """Time has reached `until_ms`; one that is past already does nothing. `closed` comes next."""
        self._watermark_ms = until_ms if self._watermark_ms is None else max(self._watermark_ms, until_ms)

    def closed(self) -> Iterator[ClosedUnit]:
        """Units whose windows closed since the last call, in that order."""
        wait_ms = self.plan.window_ms + self.plan.lateness_ms
        while (
            self._deadlines and self._watermark_ms is not None and self._deadlines[0][0] <= self._watermark_ms - wait_ms
        ):
            _, key = heapq.heappop(self._deadlines)
            unit = self._seen.get(key)
            if unit is None:
                continue
            self._seen[key] = None
            self.tally.open -= 1
            yield _close(unit, self.plan.metrics)

    def _open(self, key: int, outcome: Outcome) -> None:
        sums = {metric.name: _Sum() for metric in self.plan.metrics}
        self._seen[key] = _Open(outcome.variant, outcome.time_ms, sums, dict(outcome.covariates))
        heapq.heappush(self._deadlines, (outcome.time_ms, key))
        self.tally.open += 1
        while len(self._seen) > self.plan.max_units:
            self._thin()

    def _take(self, unit: _Open, outcome: Outcome) -> None:
        if outcome.variant != unit.variant:
            self.tally.crossed += not unit.crossed
            unit.crossed = True
            return
        age_ms = outcome.time_ms - unit.first_ms
        if age_ms < 0 or (age_ms >= self.plan.window_ms and self.plan.window_ms > 0):
            self.tally.outside += 1
            return
        for name, value in outcome.values.items():
            unit.sums[name].add(value)

    def _thin(self) -> None:
        self._bar //= 2
        self._seen = {key: unit for key, unit in self._seen.items() if key < self._bar}
        self._deadlines = [entry for entry in self._deadlines if entry[1] < self._bar]
        heapq.heapify(self._deadlines)
        self.tally.open = sum(unit is not None for unit in self._seen.values())
        self.tally.share = self._bar / _ALL


def _close(unit: _Open, metrics: tuple[Metric, ...]) -> ClosedUnit:
    found = {}
    for metric in metrics:
        held = unit.sums[metric.name]
        value = metric.of_unit(held.total, held.largest, held.events)
        if value is not None:
            found[metric.name] = value
    return ClosedUnit(unit.variant, unit.first_ms, found, unit.covariates)


def _key(unit: str) -> int:
    return int.from_bytes(hashlib.blake2b(unit.encode(), digest_size=8, person=b"experiment-unit").digest(), "big")
