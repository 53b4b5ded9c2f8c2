"""Everything that can be known to be wrong before a worker starts, looked at without starting it."""

from streamapp.check.finding import Finding, Level
from streamapp.check.preflight import check_pipeline

__all__ = ["Finding", "Level", "check_pipeline"]
