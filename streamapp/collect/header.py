"""The first line of the file: the plan as `streamapp experiment report` reads it."""

from collections.abc import Mapping
from typing import Any

from streamapp.config.experiment import ExperimentSettings, MetricSettings
from streamapp.experiment.guardrail import Better
from streamapp.experiment.metric import Aggregate, Kind, Metric
from streamapp.experiment.plan import Plan

_TAKEN = ("alpha", "max_units", "burn_in")


def metric_of(name: str, settings: MetricSettings) -> Metric:
    """A metric. Raises `ConfigError` for what cannot be one."""
    bounds = {key: value for key in ("low", "high") if (value := getattr(settings, key)) is not None}
    return Metric(
        name,
        Kind(settings.kind),
        None if settings.aggregate is None else Aggregate(settings.aggregate),
        better=Better(settings.better),
        margin=settings.margin,
        **bounds,
    )


def plan_of(settings: ExperimentSettings, weights: Mapping[str, float]) -> Plan:
    """The plan, once it is known by which weights keys were dealt. Raises `ConfigError`."""
    metrics = tuple(metric_of(name, metric) for name, metric in settings.metrics.items())
    times_ms = (round(settings.window_s * 1_000), round(settings.lateness_s * 1_000))
    return Plan(settings.experiment, settings.control, weights, metrics, *times_ms, **_given(settings))


def header_of(settings: ExperimentSettings, weights: Mapping[str, float]) -> dict[str, Any]:
    """The same as the object of the first line."""
    return {
        "experiment": settings.experiment,
        "control": settings.control,
        "variants": dict(weights),
        "metrics": {
            name: metric.model_dump(exclude={"source", "covariate"}, exclude_none=True)
            for name, metric in settings.metrics.items()
        },
        "window_s": settings.window_s,
        "lateness_s": settings.lateness_s,
        **_given(settings),
    }


def _given(settings: ExperimentSettings) -> dict[str, Any]:
    return {key: value for key in _TAKEN if (value := getattr(settings, key)) is not None}
