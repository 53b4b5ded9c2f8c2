"""One metric of one treatment against the control, from moments alone."""

from dataclasses import dataclass
from enum import Enum

from streamapp.experiment.asymptotic import BURN_IN, asymptotic_interval
from streamapp.experiment.bounded import bounded_interval
from streamapp.experiment.cuped import adjust
from streamapp.experiment.guardrail import Better, Verdict, judge
from streamapp.experiment.interval import Interval
from streamapp.experiment.metric import Kind, Metric
from streamapp.experiment.moments import Moments


class Result(str, Enum):
    """Of a metric without a margin: where 0 lies."""

    BETTER = "better"
    WORSE = "worse"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True)
class Comparison:
    """interval: with CUPED where a covariate explains something. plain: without it.

    reduction: share of the variance that the covariate took away. theta: see `cuped.Adjusted`.
    """

    control: Moments
    treatment: Moments
    interval: Interval
    plain: Interval
    theta: float
    reduction: float
    result: Result
    guardrail: Verdict | None


def compare(
    metric: Metric,
    control: Moments,
    treatment: Moments,
    alpha: float,
    weights: tuple[float, float] = (0.5, 0.5),
    burn_in: int = BURN_IN,
) -> Comparison:
    """What the units so far say, at any moment. weights: (control, treatment), of any sum; of use to exact ones."""
    theta = reduction = 0.0
    if metric.kind is Kind.MEAN:
        plain = asymptotic_interval(control, treatment, alpha, burn_in=burn_in)
        adjusted = adjust(control, treatment)
        theta, reduction = adjusted.theta, adjusted.reduction
        left, right = adjusted.variants
        interval = asymptotic_interval(left, right, alpha, burn_in=burn_in)
    else:
        scaled = control.scaled(metric.low, metric.high), treatment.scaled(metric.low, metric.high)
        plain = interval = _stretched(bounded_interval(*scaled, alpha, weights), metric.high - metric.low)
    guardrail = None if metric.margin is None else judge(interval, metric.margin, metric.better)
    return Comparison(
        control, treatment, interval, plain, theta, reduction, _result(interval, metric.better), guardrail
    )


def _stretched(interval: Interval, span: float) -> Interval:
    return Interval(interval.estimate * span, interval.lower * span, interval.upper * span, interval.exact)


def _result(interval: Interval, better: Better) -> Result:
    gain = interval if better is Better.HIGHER else interval.swapped()
    return Result.BETTER if gain.lower > 0 else Result.WORSE if gain.upper < 0 else Result.UNDECIDED
