"""A clock that stands still until told otherwise."""


class ManualClock:
    """A `streamapp.protocols.Clock` for tests: both clocks move together, only by `advance`."""

    def __init__(self, now_ms: int = 1_700_000_000_000, monotonic_s: float = 0.0) -> None:
        self._start_ms = now_ms
        self._start_s = monotonic_s
        self._elapsed_s = 0.0

    def now_ms(self) -> int:
        """Wall clock, ms since the epoch."""
        return self._start_ms + round(self._elapsed_s * 1000)

    def monotonic_s(self) -> float:
        """Monotonic seconds."""
        return self._start_s + self._elapsed_s

    def advance(self, seconds: float) -> None:
        """Let time pass. Raises `ValueError` for negative seconds: monotonic time does not run back."""
        if seconds < 0:
            raise ValueError(f"cannot advance by {seconds} s")
        self._elapsed_s += seconds

    def set_wall(self, now_ms: int) -> None:
        """Turn the wall clock to `now_ms`, as an administrator or NTP would; monotonic time is not touched."""
        self._start_ms = now_ms - round(self._elapsed_s * 1000)
