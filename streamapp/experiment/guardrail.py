"""Guardrail metrics: the treatment may be worse by a margin, and not by more."""

from enum import Enum

from streamapp.errors import ConfigError
from streamapp.experiment.interval import Interval


class Better(str, Enum):
    """Which direction of a metric is the good one."""

    HIGHER = "higher"
    LOWER = "lower"


class Verdict(str, Enum):
    """HOLDS: not worse by more than the margin. VIOLATED: worse by more. UNDECIDED: the evidence allows both."""

    HOLDS = "holds"
    VIOLATED = "violated"
    UNDECIDED = "undecided"


def judge(interval: Interval, margin: float, better: Better = Better.HIGHER) -> Verdict:
    """Whether the difference, treatment minus control, is no worse than -margin in the good direction.

    Valid at any moment, as the interval is: each wrong verdict has at most half the interval's alpha.
    margin: at least 0, in the metric's unit. Raises `ConfigError` for another one.
    """
    if not margin >= 0:
        raise ConfigError(f"margin is {margin}: it must be 0 or more, the loss that is tolerated")
    gain = interval if better is Better.HIGHER else interval.swapped()
    if gain.lower >= -margin:
        return Verdict.HOLDS
    return Verdict.VIOLATED if gain.upper < -margin else Verdict.UNDECIDED
