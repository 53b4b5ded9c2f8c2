"""How often a variant may cry wolf."""

from collections import deque

_DAY_MS = 86_400_000


class AlarmBudget:
    """Lets at most `per_day` alarms through in any 24 hours of event time (below 1: one in 1 / `per_day` days).

    `suppressed` counts the others. Event times may go back; the clock is the latest one seen.
    """

    def __init__(self, per_day: float) -> None:
        most = max(1, int(per_day))
        self._window_ms = _DAY_MS * most / per_day
        self._granted_ms: deque[int] = deque(maxlen=most)
        self._now_ms = 0
        self.suppressed = 0

    def take(self, at_ms: int) -> bool:
        """Whether an alarm at event time `at_ms` may be published."""
        self._now_ms = max(self._now_ms, at_ms)
        granted = self._granted_ms
        if len(granted) == granted.maxlen and self._now_ms - granted[0] < self._window_ms:
            self.suppressed += 1
            return False
        granted.append(self._now_ms)
        return True
