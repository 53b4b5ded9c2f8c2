"""Which topics are not on the broker, as opposed to not told of yet. Pure; one thread's."""

from collections.abc import Iterable

ALARM_AT_ANSWER = 3
"""A topic is said to be gone when that many answers in a row were without it: a broker that has just started may not
know it yet."""


class MissingTopics:
    """Counts answers of the broker, of which a frozen one gives none."""

    def __init__(self) -> None:
        self._answered_at = 0.0
        self._without: dict[str, int] = {}

    def look(self, absent: Iterable[str], answered_at: float) -> list[str]:
        """Topics to raise the alarm about, each once until it is back.

        absent: topics that the latest answer was without. answered_at: when that came; what it was is compared only.
        """
        if answered_at == self._answered_at:
            return []
        self._answered_at = answered_at
        self._without = {topic: self._without.get(topic, 0) + 1 for topic in absent}
        return [topic for topic, answers in self._without.items() if answers == ALARM_AT_ANSWER]
