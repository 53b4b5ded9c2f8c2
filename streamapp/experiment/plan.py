"""What an experiment was decided to be before it began."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from streamapp.errors import ConfigError
from streamapp.experiment.asymptotic import BURN_IN
from streamapp.experiment.metric import Metric


@dataclass(frozen=True, slots=True)
class Plan:
    """weights: variant -> share at the start, of any sum. control: one of them; the others are compared with it.

    window_ms: how long a unit is observed from its first outcome; 0: every outcome is a unit's only one.
    lateness_ms: how much later than that, in event time, outcomes of the window may still arrive.
    alpha: of each metric; several treatments share it. max_units: the most that are remembered.
    burn_in: units of each variant before a mean's sequence says anything; at least 2.
    """

    name: str
    control: str
    weights: Mapping[str, float]
    metrics: tuple[Metric, ...]
    window_ms: int = 0
    lateness_ms: int = 0
    alpha: float = 0.05
    max_units: int = 1_000_000
    burn_in: int = BURN_IN

    def __post_init__(self) -> None:
        if len(self.weights) < 2:
            raise ConfigError(f"an experiment has two variants or more, not {', '.join(self.weights) or 'none'}")
        check_weights(self.weights)
        if self.control not in self.weights:
            raise ConfigError(f"control {self.control} is none of the variants {', '.join(self.weights)}")
        names = [metric.name for metric in self.metrics]
        if not names or len(set(names)) < len(names):
            raise ConfigError(f"metrics {names}: at least one, each name once")
        if not 0 < self.alpha < 1:
            raise ConfigError(f"alpha is {self.alpha}, but must lie between 0 and 1")
        if self.window_ms < 0 or self.lateness_ms < 0 or self.max_units < 1 or self.burn_in < 2:
            raise ConfigError("window and lateness must be 0 or more, max_units 1 or more, burn_in 2 or more")

    @property
    def treatments(self) -> tuple[str, ...]:
        """All but the control."""
        return tuple(variant for variant in self.weights if variant != self.control)


def check_weights(weights: Mapping[str, float]) -> None:
    """Raises `ConfigError` unless each weight is a finite number above 0."""
    for variant, weight in weights.items():
        if not (math.isfinite(weight) and weight > 0):
            raise ConfigError(f"weight of {variant} is {weight}: it must be a finite number above 0")
