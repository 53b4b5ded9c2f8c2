"""One watched number: first a reference, then detectors, and a new reference after each signal."""

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from streamapp.observe.detectors import Detector
from streamapp.observe.scale import Scale, fit

_UNSET = Scale(0.0, 0.0, 1.0)


class Stream:
    """The state of one stream of block means.

    1. The first `needed` finite block means are its reference; they set its scale.
    2. Fresh detectors see the reference's standard scores (whatever they say of it is ignored), then every block's.
    3. When a detector speaks, the stream goes back to 1: what is normal from here on is learnt anew, so one
       shift is one report.
    """

    def __init__(self, name: str, detectors: Mapping[str, Callable[[], Detector]], needed: int) -> None:
        self.name = name
        self._make = detectors
        self._needed = needed
        self._reference: list[float] = []
        self._scale: Scale | None = None
        self._before = 0.0
        self._detectors: list[tuple[str, Detector]] = []

    @property
    def parameters(self) -> tuple[float, float, float, float]:
        """phi, mean and spread of the scale, and the last block mean."""
        scale = self._scale or _UNSET
        return scale.phi, scale.mean, scale.spread, self._before

    def run(self, means: Sequence[float], scores: Sequence[float] | None) -> list[tuple[int, str, float]]:
        """See b block means, NaN where a block had too few values.

        scores: their standard scores by `parameters`, if all means are finite. Returns for each signal the
        block, the detector and the reference mean.
        """
        if scores is None or self._scale is None:
            return self._steps(means, 0)
        reference = self._scale.mean
        for block, score in enumerate(scores):
            spoke = self._see(score)
            if spoke:
                self._restart()
                return [(block, name, reference) for name in spoke] + self._steps(means, block + 1)
        self._before = means[-1]
        return []

    def _steps(self, means: Sequence[float], start: int) -> list[tuple[int, str, float]]:
        signals: list[tuple[int, str, float]] = []
        for block in range(start, len(means)):
            mean = means[block]
            if math.isnan(mean):
                continue
            if self._scale is None:
                self._learn(mean)
                continue
            spoke = self._see(self._scale.standardise(mean, self._before))
            self._before = mean
            if spoke:
                signals.extend((block, name, self._scale.mean) for name in spoke)
                self._restart()
        return signals

    def _see(self, score: float) -> list[str]:
        spoke: list[str] = []
        for name, detector in self._detectors:
            detector.update(score)
            if detector.drift_detected:
                spoke.append(name)
        return spoke

    def _learn(self, mean: float) -> None:
        self._reference.append(mean)
        if len(self._reference) < self._needed:
            return
        self._scale = fit(np.array(self._reference))
        self._detectors = [(name, make()) for name, make in self._make.items()]
        for before, block in zip(self._reference, self._reference[1:], strict=False):
            self._see(self._scale.standardise(block, before))
        self._before, self._reference = mean, []

    def _restart(self) -> None:
        self._scale = None
        self._detectors = []
