"""Three streams as one: measurements, departures and arrivals in the order in which they became known."""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from streamapp.types import Int64


class Kind(IntEnum):
    """What happens; of things that happen at the same time the smaller one first, as a measurement at the minute of
    departure counts for that departure."""

    ARRIVED = 0
    MEASURED = 1
    DEPARTS = 2


@dataclass(frozen=True, slots=True, eq=False)
class Timeline:
    """n happenings in order. times_ms int64 (n,); kinds uint8 (n,); rows int64 (n,): index into that kind's stream."""

    times_ms: Int64
    kinds: npt.NDArray[np.uint8]
    rows: Int64

    def __len__(self) -> int:
        return len(self.times_ms)

    def until(self, start: int, now_ms: float) -> int:
        """The end of the run of happenings from `start` that are due at `now_ms` and precede the next measurement."""
        stop = int(np.searchsorted(self.times_ms, now_ms, side="right"))
        measured = np.flatnonzero(self.kinds[start:stop] == Kind.MEASURED)
        return max(start, start + int(measured[0]) if len(measured) else stop)


def merge(measured_ms: Int64, departs_ms: Int64, arrived_ms: Int64) -> Timeline:
    """Merge three streams; each row keeps its index, and equal times of one stream their order.

    Measurements after the last departure are left out: no flight would see them.
    """
    measured_ms = measured_ms[measured_ms <= departs_ms.max(initial=np.iinfo(np.int64).min)]
    streams = ((Kind.MEASURED, measured_ms), (Kind.DEPARTS, departs_ms), (Kind.ARRIVED, arrived_ms))
    times = np.concatenate([times for _, times in streams])
    kinds = np.concatenate([np.full(len(times), kind, np.uint8) for kind, times in streams])
    rows = np.concatenate([np.arange(len(times), dtype=np.int64) for _, times in streams])
    order = np.lexsort((rows, kinds, times))
    return Timeline(times[order], kinds[order], rows[order])


class Pace:
    """Event time as a function of wall time: `speed` event seconds per second, never ahead of it.

    When the replay falls more than `slack_s` behind, the clock waits for it: it slows down and does not burst.
    """

    def __init__(self, start_ms: float, speed: float, monotonic_s: float, slack_s: float = 2.0) -> None:
        self._start_ms = start_ms
        self._start_s = monotonic_s
        self._speed = speed
        self._slack_s = slack_s

    def now_ms(self, monotonic_s: float) -> float:
        """The event time that is due, ms."""
        return self._start_ms + (monotonic_s - self._start_s) * self._speed * 1000

    def wait_s(self, time_ms: float, monotonic_s: float) -> float:
        """Wall seconds until `time_ms` is due, 0 if it is."""
        return max(0.0, (time_ms - self.now_ms(monotonic_s)) / self._speed / 1000)

    def reached(self, time_ms: float, monotonic_s: float) -> None:
        """Everything up to `time_ms` has been done."""
        behind_s = (self.now_ms(monotonic_s) - time_ms) / self._speed / 1000
        if behind_s > self._slack_s:
            self._start_s += behind_s - self._slack_s
