"""An analysis in Argo Rollouts' words: measure `count` times, `interval` apart, and tolerate so many failures.

What a measurement comes to, and when the measurements come to a verdict, follows Argo's own rules
(Argo Rollouts documentation, "Analysis & Progressive Delivery"): a limit is how many are *tolerated*, so 0 fails at
the first; once `count` measurements are made without exceeding a limit, the analysis is Successful.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from streamapp.act.condition import Condition


class Result(str, Enum):
    """Of one measurement, or of the whole analysis."""

    SUCCESSFUL = "Successful"
    FAILED = "Failed"
    INCONCLUSIVE = "Inconclusive"


@dataclass(frozen=True, slots=True)
class Measurement:
    """What one look at the evidence came to, and the condition and numbers that decided it."""

    result: Result
    reason: str


@dataclass(frozen=True, slots=True)
class Analysis:
    """At least one condition; without `success`, whatever `failure` does not catch is good, and the other way round."""

    interval_s: float
    count: int
    success: Condition | None
    failure: Condition | None
    failure_limit: int = 0
    inconclusive_limit: int = 0

    def measure(self, evidence: Mapping[str, float]) -> Measurement:
        """Judge the evidence as it stands. What depends on evidence that is not there yet is Inconclusive."""
        failed = None if self.failure is None else self.failure.holds(evidence)
        if self.failure is not None and failed:
            return Measurement(Result.FAILED, f"failureCondition met: {self.failure.explain(evidence)}")
        succeeded = None if self.success is None else self.success.holds(evidence)
        if self.success is not None and self.failure is None and succeeded is False:
            return Measurement(Result.FAILED, f"successCondition not met: {self.success.explain(evidence)}")
        if self.failure is not None and failed is None:
            return Measurement(Result.INCONCLUSIVE, f"failureCondition undecided: {self.failure.explain(evidence)}")
        if self.success is not None and not succeeded:
            return Measurement(Result.INCONCLUSIVE, f"successCondition not met: {self.success.explain(evidence)}")
        held = [f"successCondition met: {self.success.explain(evidence)}"] if self.success is not None else []
        if self.failure is not None:
            held.append(f"failureCondition not met: {self.failure.explain(evidence)}")
        return Measurement(Result.SUCCESSFUL, "; ".join(held))


@dataclass(frozen=True, slots=True)
class Tally:
    """How the measurements made so far came out."""

    successful: int = 0
    failed: int = 0
    inconclusive: int = 0

    def with_one(self, result: Result) -> "Tally":
        """One measurement more."""
        return Tally(
            self.successful + (result is Result.SUCCESSFUL),
            self.failed + (result is Result.FAILED),
            self.inconclusive + (result is Result.INCONCLUSIVE),
        )

    def verdict(self, analysis: Analysis) -> Result | None:
        """What the analysis has come to; None while it must go on measuring."""
        if self.failed > analysis.failure_limit:
            return Result.FAILED
        if self.inconclusive > analysis.inconclusive_limit:
            return Result.INCONCLUSIVE
        if self.successful + self.failed + self.inconclusive >= analysis.count:
            return Result.SUCCESSFUL
        return None
