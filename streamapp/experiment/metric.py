"""What is compared: one number per unit, made of its events."""

from dataclasses import dataclass
from enum import Enum

from streamapp.errors import ConfigError
from streamapp.experiment.guardrail import Better


class Kind(str, Enum):
    """PROPORTION (0 or 1) and BOUNDED (low to high) have exact sequences; MEAN is asymptotic and may use CUPED."""

    PROPORTION = "proportion"
    BOUNDED = "bounded"
    MEAN = "mean"


class Aggregate(str, Enum):
    """How the values of a unit's events become its one value.

    SUM: their total, 0 if there is none. MAX: the largest. MEAN: their mean. Without an event, MAX of a proportion is
    0; otherwise MAX and MEAN leave the unit out, so they compare only units that had an event, and are fair only if
    having one does not depend on the variant.
    """

    SUM = "sum"
    MAX = "max"
    MEAN = "mean"


_USUAL = {Kind.PROPORTION: Aggregate.MAX, Kind.BOUNDED: Aggregate.MEAN, Kind.MEAN: Aggregate.SUM}


@dataclass(frozen=True, slots=True)
class Metric:
    """aggregate: by kind max, mean, sum. margin: makes it a guardrail (`guardrail.judge`), in the metric's unit.

    low, high: of BOUNDED, per unit; a total beyond them counts as the bound itself, and the estimand is the mean of
    the totals that were cut so.
    """

    name: str
    kind: Kind = Kind.MEAN
    aggregate: Aggregate | None = None
    low: float = 0.0
    high: float = 1.0
    better: Better = Better.HIGHER
    margin: float | None = None

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise ConfigError(f"metric {self.name}: low {self.low} must be below high {self.high}")
        if self.kind is Kind.PROPORTION and (self.low, self.high) != (0.0, 1.0):
            raise ConfigError(f"metric {self.name}: a proportion has no low and high; use kind bounded")
        if self.kind is Kind.PROPORTION and self.how is not Aggregate.MAX:
            raise ConfigError(f"metric {self.name}: a unit's proportion is the max of its events; use kind bounded")
        if self.margin is not None and not self.margin >= 0:
            raise ConfigError(f"metric {self.name}: margin {self.margin} must be 0 or more")

    @property
    def how(self) -> Aggregate:
        """`aggregate`, or what is usual for the kind."""
        return self.aggregate or _USUAL[self.kind]

    def check(self, value: float) -> None:
        """Raises `ConfigError` for an event's value that this metric cannot have."""
        if self.kind is Kind.PROPORTION and value not in (0.0, 1.0):
            raise ConfigError(f"{self.name} is {value}: a proportion counts 0 or 1")
        if self.kind is Kind.BOUNDED and self.how is not Aggregate.SUM and not self.low <= value <= self.high:
            raise ConfigError(f"{self.name} is {value}, outside {self.low} to {self.high}")

    def of_unit(self, total: float, largest: float, events: int) -> float | None:
        """A unit's value; None leaves it out."""
        if events == 0:
            absent = self.how is Aggregate.SUM or self.kind is Kind.PROPORTION
            return (
                min(max(0.0, self.low), self.high) if absent and self.kind is Kind.BOUNDED else 0.0 if absent else None
            )
        value = {Aggregate.SUM: total, Aggregate.MAX: largest, Aggregate.MEAN: total / events}[self.how]
        return min(max(value, self.low), self.high) if self.kind is Kind.BOUNDED else value
