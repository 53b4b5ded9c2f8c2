"""What an experiment is told, in the order it arrives."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Outcome:
    """One event of a unit, or the whole unit where the plan has no window.

    unit: what variants were assigned by (the routing key). values: metric -> finite number; metrics may be absent.
    covariates: metric -> finite number, measured before the unit's first outcome here. where: for error messages.
    An outcome without values says that the unit was exposed.
    """

    unit: str
    variant: str
    time_ms: int
    values: Mapping[str, float]
    covariates: Mapping[str, float] = field(default_factory=dict)
    where: str = ""


@dataclass(frozen=True, slots=True)
class Reweighting:
    """From time_ms on, units are assigned by other weights: the same variants, each above 0."""

    time_ms: int
    weights: Mapping[str, float]
    where: str = ""


@dataclass(frozen=True, slots=True)
class Until:
    """All outcomes up to time_ms were told: windows that ended by then close, though nothing happened since."""

    time_ms: int
    where: str = ""
