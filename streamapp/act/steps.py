"""The steps of a rollout, one after the other; every strategy is a row of them.

They travel inside commands as JSON, under the names that Argo Rollouts gives them.
"""

from msgspec import Struct

from streamapp.act.analysis import Analysis
from streamapp.act.condition import parse_condition
from streamapp.errors import ConfigError


class SetWeight(Struct, frozen=True, tag="setWeight", forbid_unknown_fields=True):
    """Give the candidate `weight` per cent of the model's keys."""

    weight: float


class SetShadow(Struct, frozen=True, tag="setShadow", forbid_unknown_fields=True):
    """Let the candidate score `share` per cent of all keys without answering."""

    share: float


class Wait(Struct, frozen=True, tag="pause", forbid_unknown_fields=True):
    """Wait `duration_s` seconds; None waits until somebody resumes."""

    duration_s: float | None = None


class Analyse(Struct, frozen=True, tag="analysis", forbid_unknown_fields=True):
    """Look at the evidence `count` times, `interval_s` apart, the first time after one interval."""

    interval_s: float
    count: int
    success: str | None = None
    failure: str | None = None
    failure_limit: int = 0
    inconclusive_limit: int = 0

    def analysis(self, known: frozenset[str]) -> Analysis:
        """With its conditions read, over evidence called `known`. Raises `ConfigError`."""
        success = None if self.success is None else parse_condition(self.success, known)
        failure = None if self.failure is None else parse_condition(self.failure, known)
        return Analysis(self.interval_s, self.count, success, failure, self.failure_limit, self.inconclusive_limit)


class Explore(Struct, frozen=True, tag="bandit", forbid_unknown_fields=True):
    """Thompson sampling on delayed rewards: every `interval_s` the candidate gets the share that equals the probability
    of its mean label being the higher one, within [`least`, 100 - `least`] per cent.

    It is over once `contest` is sure of who is better, at level 1 - `confidence`; with no winner after `count` looks
    the rollout waits for a person. labels: of each, before anything changes. low, high: between which labels lie.
    """

    interval_s: float
    count: int
    least: float = 5.0
    confidence: float = 0.99
    labels: int = 100
    low: float = 0.0
    high: float = 1.0


Step = SetWeight | SetShadow | Wait | Analyse | Explore

AT_ONCE: tuple[Step, ...] = (SetWeight(100),)
"""Everything as soon as every worker has loaded the candidate."""
_MOST_STEPS = 100
MOST_REWARD = 1e12
"""Of what a label may be, either way; its square is summed."""


def check_steps(steps: tuple[Step, ...]) -> None:
    """Refuse numbers that make no sense. Conditions are read by whoever knows the evidence. Raises `ConfigError`."""
    if not steps:
        raise ConfigError("a rollout needs at least one step")
    if len(steps) > _MOST_STEPS:
        raise ConfigError(f"a rollout of {len(steps)} steps: at most {_MOST_STEPS} are taken")
    for number, step in enumerate(steps, 1):
        problem = _problem(step)
        if problem:
            raise ConfigError(f"step {number}: {problem}")


def _problem(step: Step) -> str:
    if isinstance(step, SetWeight):
        return _percent("setWeight", step.weight)
    if isinstance(step, SetShadow):
        return _percent("setShadow", step.share)
    if isinstance(step, Wait):
        return "" if step.duration_s is None or 0 < step.duration_s < 1e9 else "pause: duration must be above 0"
    kind = "analysis" if isinstance(step, Analyse) else "bandit"
    if not 0 < step.interval_s < 1e9:
        return f"{kind}: interval must be above 0"
    if step.count < 1:
        return f"{kind}: count must be at least 1"
    if isinstance(step, Explore):
        return _bandit(step)
    if step.success is None and step.failure is None:
        return "analysis: needs a successCondition, a failureCondition or both"
    if step.failure_limit < 0 or step.inconclusive_limit < 0:
        return "analysis: a limit must be 0 or more"
    return ""


def _bandit(step: Explore) -> str:
    if not 0 <= step.least < 50:
        return "bandit: minWeight must be in [0, 50)"
    if not 0.5 < step.confidence < 1:
        return "bandit: confidence must be in (0.5, 1)"
    if step.labels < 1:
        return "bandit: minLabels must be at least 1"
    finite = abs(step.low) < MOST_REWARD and abs(step.high) < MOST_REWARD
    return "" if finite and step.low < step.high else "bandit: minReward must be below maxReward"


def _percent(name: str, value: float) -> str:
    return "" if 0 <= value <= 100 else f"{name}: {value:g} is no share: give 0 to 100 per cent"
