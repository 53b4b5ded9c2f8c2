"""KSWIN over a sample of the rows: it costs hundreds of microseconds per value."""

import math
from collections import deque
from collections.abc import Sequence

from streamapp.observe.detectors import Detector, kswin
from streamapp.types import Float64, Int64, Signal, Variant

_WINDOW, _NEW = 100, 30


class SampledStreams:
    """KSWIN on every `every`-th row of each stream, counted from the start whatever the batches."""

    def __init__(self, variant: Variant, names: Sequence[str], every: int) -> None:
        self._variant = variant
        self._every = every
        self._rows_seen = 0
        self._streams: list[tuple[str, Detector, deque[float]]] = [
            (name, kswin(), deque(maxlen=_WINDOW)) for name in names
        ]

    def update(self, rows: Float64, times_ms: Int64) -> list[Signal]:
        """Take in rows float64 (m, s) with event times int64 (m,); what the detectors found, in row order."""
        start, self._rows_seen = self._rows_seen, self._rows_seen + len(rows)
        if not self._streams:
            return []
        first = -(start + 1) % self._every
        signals: list[Signal] = []
        for row in range(first, len(rows), self._every):
            for (name, detector, window), value in zip(self._streams, rows[row].tolist(), strict=True):
                if not math.isfinite(value):
                    continue
                window.append(value)
                detector.update(value)
                if detector.drift_detected:
                    seen = list(window)
                    new, old = _mean(seen[-_NEW:]), _mean(seen[:-_NEW])
                    signals.append(Signal(self._variant, "kswin", name, int(times_ms[row]), new, old, start + row + 1))
                    window.clear()
                    window.extend(seen[-_NEW:])
        return signals


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
