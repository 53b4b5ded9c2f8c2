"""River's detectors, with the parameters that our streams need.

The parameters of the block detectors are chosen for standard scores (mean 0, spread 1, cut at 6) of block means
and are justified, with measured false alarms and delays, in docs/drift.md.
"""

from collections.abc import Callable, Mapping
from typing import Protocol

from river.drift import ADWIN, KSWIN, PageHinkley
from river.drift.binary import DDM


class Detector(Protocol):
    """A change detector that sees one value at a time and starts afresh after it has spoken."""

    @property
    def drift_detected(self) -> bool:
        """Whether the latest update found a change."""
        ...

    def update(self, x: float) -> None:
        """See one value."""
        ...


def adwin() -> Detector:
    """ADWIN (Bifet and Gavalda 2007), on standard scores of block means or of block losses."""
    detector: Detector = ADWIN(delta=1e-4, clock=8)
    return detector


def page_hinkley() -> Detector:
    """Page-Hinkley (Page 1954), two-sided, on standard scores of block means."""
    # River's default alpha = 0.9999 lets the sums settle near -delta / (1 - alpha) instead of falling for ever;
    # there their noise alone crosses any useful threshold: 22 false alarms in 200 000 blocks against 1.
    detector: Detector = PageHinkley(min_instances=30, delta=0.5, threshold=14.0, alpha=1.0)
    return detector


def kswin() -> Detector:
    """KSWIN (Raab, Heusinger and Schleif 2020), on sampled rows."""
    detector: Detector = KSWIN(alpha=1e-4, window_size=100, stat_size=30, seed=1)
    return detector


def ddm() -> Detector:
    """DDM (Gama et al. 2004), on errors 0 or 1 of joined rows."""
    detector: Detector = DDM(warm_start=2_000, warning_threshold=3.0, drift_threshold=4.0)
    return detector


BLOCK_DETECTORS: Mapping[str, Callable[[], Detector]] = {"adwin": adwin, "page_hinkley": page_hinkley}
