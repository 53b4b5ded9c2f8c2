"""Fakes, a manual clock, and a conformance check for every extension point. Shipped: your runtimes need them too."""

from streamapp.testing.clock import ManualClock
from streamapp.testing.runtimes import ConformanceError, check_runtime

__all__ = ["ConformanceError", "ManualClock", "check_runtime"]
