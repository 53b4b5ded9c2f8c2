"""A rollout file, in the words of Argo Rollouts. Durations are `500ms`, `30s`, `5m`, `1h30m`, or seconds."""

from typing import Annotated

from pydantic import Field

from streamapp.config.duration import Duration
from streamapp.config.settings import Section

Percent = Annotated[float, Field(ge=0, le=100)]
MOST_STEPS = 100


class PauseSettings(Section):
    """A pause. Empty, it lasts until somebody resumes."""

    duration: Duration | None = None
    """How long; until somebody resumes if absent."""


class AnalysisSettings(Section):
    """Looks at the evidence since the step began. At least one of the two conditions is needed."""

    interval: Duration
    """Time between two looks, and before the first one."""
    count: int = Field(ge=1)
    """How many looks are made, those without evidence included."""
    success_condition: str | None = Field(default=None, alias="successCondition")
    """A look is Successful where this holds, as in `log_loss < champion_log_loss`."""
    failure_condition: str | None = Field(default=None, alias="failureCondition")
    """A look is Failed where this holds, as in `error_rate > 0.01`; without it, where the success condition does
    not."""
    failure_limit: int = Field(default=0, ge=0, alias="failureLimit")
    """How many Failed looks are tolerated; one more takes the candidate back."""
    inconclusive_limit: int = Field(default=0, ge=0, alias="inconclusiveLimit")
    """How many Inconclusive looks are tolerated; one more pauses the rollout until a person decides."""


class StepSettings(Section):
    """One step; it has one key."""

    set_weight: Percent | None = Field(default=None, alias="setWeight")
    """Share of the model's keys that the candidate answers. Per cent."""
    set_shadow: Percent | None = Field(default=None, alias="setShadow")
    """Share of all keys that the candidate scores without answering. Per cent."""
    pause: PauseSettings | None = None
    """Wait."""
    analysis: AnalysisSettings | None = None
    """Look at the evidence."""


class CanarySettings(Section):
    """More and more keys, step by step. After the last step the candidate answers all."""

    steps: tuple[StepSettings, ...] = Field(min_length=1, max_length=MOST_STEPS)
    """What is done, one after the other."""


class BlueGreenSettings(Section):
    """All keys at once."""

    pre_promotion_analysis: AnalysisSettings | None = Field(default=None, alias="prePromotionAnalysis")
    """Made while the candidate scores every key without answering."""
    post_promotion_analysis: AnalysisSettings | None = Field(default=None, alias="postPromotionAnalysis")
    """Made while the candidate answers every key, and the champion none."""


class ShadowSettings(Section):
    """An analysis beside the champion, then canary steps."""

    share: Percent = 100.0
    """Share of all keys that the candidate scores without answering, until the analysis is through. Per cent."""
    analysis: AnalysisSettings
    """Decides whether the candidate may answer."""
    steps: tuple[StepSettings, ...] = Field(default=(), max_length=MOST_STEPS - 3)
    """As of a canary; without any, the candidate answers all keys once the analysis is Successful."""


class AbSettings(Section):
    """A fixed share of the keys; with neither `duration` nor `analysis` until `promote` or `abort`."""

    weight: Annotated[float, Field(gt=0, lt=100)] = 50.0
    """Share of the model's keys that the candidate answers. Per cent."""
    duration: Duration | None = None
    """After this long a person is waited for, who says which version stays."""
    analysis: AnalysisSettings | None = None
    """Decides instead of a person."""


class BanditSettings(Section):
    """Thompson sampling on the labels, which are rewards: the candidate's share is the probability that its mean label
    is the higher one."""

    interval: Duration
    """Time between two looks, each of which sets the weight anew."""
    count: int = Field(ge=1)
    """Looks after which the rollout waits for a person, if neither version has won."""
    min_weight: float = Field(default=5.0, ge=0, lt=50, alias="minWeight")
    """Smallest share of the keys that either version is left with. Per cent."""
    confidence: float = Field(default=0.99, gt=0.5, lt=1)
    """At 0.99 a candidate that is not better wins in at most 1 of 100 rollouts, and one that is not worse loses in at
    most 1, however many looks are made."""
    min_labels: int = Field(default=100, ge=1, alias="minLabels")
    """Labels of each version before the weight is moved or anything is decided."""
    min_reward: float = Field(default=0.0, alias="minReward")
    """Least label that there can be."""
    max_reward: float = Field(default=1.0, alias="maxReward")
    """Greatest label that there can be."""


class StrategySettings(Section):
    """How the candidate gets the keys; it has one key."""

    canary: CanarySettings | None = None
    """More and more keys, step by step."""
    blue_green: BlueGreenSettings | None = Field(default=None, alias="blueGreen")
    """All keys at once."""
    shadow: ShadowSettings | None = None
    """Beside the champion first."""
    ab: AbSettings | None = None
    """A fixed share of the keys."""
    bandit: BanditSettings | None = None
    """The share follows the labels."""


_NAME = r"^[A-Za-z0-9][A-Za-z0-9_-]*$"
VERSION = r"^@?[A-Za-z0-9][A-Za-z0-9._-]*$"


class RolloutSettings(Section):
    """A whole rollout file. Model and version may come from the command line instead."""

    model: str | None = Field(default=None, pattern=_NAME)
    """Which model."""
    to: str | None = Field(default=None, pattern=VERSION)
    """Its version that is to answer; an alias of the registry, such as `"@challenger"`, means the version that it has
    when the rollout is started."""
    strategy: StrategySettings
    """How it gets there."""
