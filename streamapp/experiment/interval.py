"""An interval for a difference, treatment minus control, and what it says."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Interval:
    """lower <= difference <= upper, in the metric's unit; infinite where nothing can be said yet.

    exact: the coverage holds at every sample size; otherwise it is asymptotic (see `asymptotic`).
    """

    estimate: float
    lower: float
    upper: float
    exact: bool

    @property
    def width(self) -> float:
        """upper - lower."""
        return self.upper - self.lower

    def __contains__(self, difference: float) -> bool:
        return self.lower <= difference <= self.upper

    def swapped(self) -> "Interval":
        """The same for control minus treatment."""
        return Interval(-self.estimate, -self.upper, -self.lower, self.exact)
