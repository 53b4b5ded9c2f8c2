"""Counts by metric family and label values."""

from collections import defaultdict
from collections.abc import Mapping

from streamapp.observe.families import FAMILIES
from streamapp.observe.histogram import Histogram

Labels = tuple[str, ...]
Readings = Mapping[str, Mapping[Labels, float]]
"""Metric family -> label values (in the family's order) -> value. What sources of metrics give."""


class Tallies:
    """Counters, gauges and histograms. Not safe for threads: its owner locks."""

    def __init__(self) -> None:
        self.values: defaultdict[str, dict[Labels, float]] = defaultdict(dict)
        self.histograms: defaultdict[str, dict[Labels, Histogram]] = defaultdict(dict)

    def count(self, family: str, labels: Labels, n: float) -> None:
        """Raise a counter."""
        children = self.values[family]
        children[labels] = children.get(labels, 0) + n

    def histogram(self, family: str, labels: Labels) -> Histogram:
        """The histogram of these label values, made on first use."""
        children = self.histograms[family]
        if labels not in children:
            children[labels] = Histogram(FAMILIES[family].bounds)
        return children[labels]
