"""The time by the broker's clock, for whoever must say how long ago the broker took a record."""

from streamapp.protocols import Clock


class BrokerTime:
    """The timestamp that was read last, and what has passed since by this process's monotonic clock.

    It is behind by as long as that record was on its way, so what takes its time is never over too early. While old
    records are being read it is further behind.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._heard: tuple[int, float] | None = None

    def hear(self, at_ms: int) -> None:
        """A record with this timestamp (broker's clock, ms since the epoch) was read just now."""
        self._heard = at_ms, self._clock.monotonic_s()

    def now_ms(self) -> int | None:
        """Now, ms since the epoch; None before a record was read."""
        if self._heard is None:
            return None
        at_ms, heard_s = self._heard
        return at_ms + round((self._clock.monotonic_s() - heard_s) * 1000)
