"""The plan of an experiment whose outcomes are collected from a pipeline's topics."""

from typing import Literal

from pydantic import Field

from streamapp.config.settings import Section


class MetricSettings(Section):
    """One metric."""

    source: str = Field(alias="from", min_length=1)
    """Where its value comes from: `label`, `score:NAME`, `latency_ms`, `dead_letter` or `answered`."""
    kind: Literal["proportion", "bounded", "mean"] = "mean"
    """`proportion` (0 or 1), `bounded` (`low` to `high`) or `mean` (any number)."""
    aggregate: Literal["max", "mean", "sum"] | None = None
    """How a unit's events become its one number; by kind if absent."""
    low: float | None = None
    """Smallest value, of `bounded`."""
    high: float | None = None
    """Largest value, of `bounded`."""
    better: Literal["higher", "lower"] = "higher"
    """Which way is better."""
    margin: float | None = Field(default=None, ge=0)
    """Makes it a guardrail: how much worse is tolerated."""
    covariate: str | None = None
    """`view:feature` in Feast whose value before the unit's first exposure takes variance off (CUPED); of `mean`."""


class ExperimentSettings(Section):
    """A whole plan."""

    experiment: str = Field(min_length=1)
    """What it is called."""
    variants: tuple[str, ...] = Field(min_length=2)
    """What is compared: names of variants, or model versions, as `compare` says."""
    control: str
    """The one of them that the others are compared with."""
    compare: Literal["variant", "version"] = "variant"
    """What `variants` names. Versions keep their names when a rollout exchanges what two variants serve."""
    model: str | None = None
    """Whose versions are compared; needed where the pipeline has several models."""
    metrics: dict[str, MetricSettings] = Field(min_length=1)
    """Metric -> what it is."""
    window_s: float = Field(gt=0, allow_inf_nan=False)
    """How long a unit is observed from its first exposure; labels that come later do not count. Seconds."""
    lateness_s: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    """How much later than it happened a label may become known. Seconds."""
    clock: Literal["wall", "event_time"] = "wall"
    """When an exposure is: when it was scored, or for replays when its event happened."""
    alpha: float | None = None
    """Of each metric; several treatments share it."""
    max_units: int | None = None
    """Units that the report remembers at most."""
    burn_in: int | None = None
    """Units of each variant before a mean's sequence says anything."""
