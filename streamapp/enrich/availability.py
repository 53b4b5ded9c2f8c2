"""How long the online store has been down, and what that means for the next read."""

from streamapp.config.settings import UnavailableSettings
from streamapp.protocols import Clock


class Availability:
    """Decides between trying the store, giving up on the batch and serving defaults. Durations are monotonic.

    Until `serve_defaults_after_s` have passed since the first failure every batch tries the store and fails with
    it; the worker sets the pace. After that batches are answered with defaults and one of them tries again
    whenever the pause, doubled each time up to `retry_max_s`, is over.
    """

    def __init__(self, settings: UnavailableSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._down_since_s: float | None = None
        self._next_try_s = 0.0
        self._pause_s = settings.retry_initial_s

    @property
    def serves_defaults(self) -> bool:
        """Whether a row that cannot be read takes the defaults by now."""
        after_s = self._settings.serve_defaults_after_s
        if after_s is None or self._down_since_s is None:
            return False
        return self._clock.monotonic_s() - self._down_since_s >= after_s

    @property
    def should_try(self) -> bool:
        """Whether the store is to be asked now."""
        return not self.serves_defaults or self._clock.monotonic_s() >= self._next_try_s

    def failed(self) -> None:
        """The store did not answer."""
        now_s = self._clock.monotonic_s()
        if self._down_since_s is None:
            self._down_since_s = now_s
        self._next_try_s = now_s + self._pause_s
        self._pause_s = min(2 * self._pause_s, self._settings.retry_max_s)

    def answered(self) -> None:
        """The store answered."""
        self._down_since_s = None
        self._pause_s = self._settings.retry_initial_s
