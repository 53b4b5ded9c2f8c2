"""The clock of a running process."""

import time


class SystemClock:
    """The operating system's clocks."""

    def now_ms(self) -> int:
        """Wall clock, ms since the epoch."""
        return time.time_ns() // 1_000_000

    def monotonic_s(self) -> float:
        """Monotonic seconds."""
        return time.monotonic()
