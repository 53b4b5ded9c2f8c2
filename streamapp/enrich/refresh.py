"""The thread that keeps the registry fresh, so that no read waits for it."""

import logging
import threading
from collections.abc import Callable

from streamapp.errors import ConfigError, FeatureStoreUnavailable

_log = logging.getLogger(__name__)


class RegistryRefresher:
    """Calls `refresh` every `every_s` seconds until closed. What it raises is logged once per wording and counted."""

    def __init__(self, refresh: Callable[[], None], every_s: float) -> None:
        self._refresh = refresh
        self._every_s = every_s
        self._stop = threading.Event()
        self._last_problem = ""
        self.failures = 0
        self._thread = threading.Thread(target=self._run, name="streamapp-registry", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread; a refresh under way is waited for, but not for longer than a moment."""
        self._stop.set()
        self._thread.join(5.0)

    def refresh_once(self) -> None:
        """Refresh now; a registry that is away or changed is reported, not raised."""
        try:
            self._refresh()
            self._last_problem = ""
        except (FeatureStoreUnavailable, ConfigError) as problem:
            self.failures += 1
            if str(problem) != self._last_problem:
                self._last_problem = str(problem)
                _log.warning("registry refresh: %s", problem)

    def _run(self) -> None:
        while not self._stop.wait(self._every_s):
            self.refresh_once()
