"""Circumstances to plant in a worker, which are no bugs: a store that answers oddly, a clock that is wrong."""

import os
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

from streamapp.clock import SystemClock

HOUR_MS = 3_600_000
SLOW_S = 0.05


def _in_online_read(change: Any) -> None:
    """Let `change` see what the provider's `online_read` gives."""
    from streamapp.enrich.feast import FeastReader

    really_init = FeastReader.__init__

    def init(self: FeastReader, *args: Any) -> None:
        really_init(self, *args)
        really_read = self._provider.online_read
        self._provider.online_read = lambda *asked: change(really_read(*asked))

    FeastReader.__init__ = init  # type: ignore[method-assign]


def reorders_columns() -> None:
    """The store returns the columns in the opposite order."""

    def reorder(rows: Sequence[tuple[Any, Mapping[str, Any] | None]]) -> list[tuple[Any, Mapping[str, Any] | None]]:
        return [(at, dict(reversed(list(row.items()))) if row else row) for at, row in rows]

    _in_online_read(reorder)


def reads_slowly() -> None:
    """Every read of the online store takes longer."""

    def slow(rows: Any) -> Any:
        time.sleep(SLOW_S)
        return rows

    _in_online_read(slow)


def an_hour_ahead() -> None:
    """The wall clock is an hour ahead."""
    _shift(HOUR_MS)


def an_hour_behind() -> None:
    """The wall clock is an hour behind."""
    _shift(-HOUR_MS)


def _shift(by_ms: int) -> None:
    really_now_ms = SystemClock.now_ms
    SystemClock.now_ms = lambda self: really_now_ms(self) + by_ms  # type: ignore[method-assign]


SPOOL_BYTES = 64 * 1024
"""Most that a worker whose disk is full may add to a file: room for its log."""
_NOT_OURS = ("/dev/", "/proc/")
_BYTECODE = "__pycache__"


def on_a_full_disk() -> None:
    """No file grows beyond `SPOOL_BYTES`, and what the worker opens for writing is said on stderr."""
    import resource

    resource.setrlimit(resource.RLIMIT_FSIZE, (SPOOL_BYTES, SPOOL_BYTES))
    sys.addaudithook(_tell_writes)


def _tell_writes(event: str, arguments: tuple[Any, ...]) -> None:
    if event != "open":
        return
    path, _, flags = arguments
    writes = isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
    if writes and isinstance(path, str) and not path.startswith(_NOT_OURS) and _BYTECODE not in path:
        os.write(2, f"OPENED FOR WRITING: {path}\n".encode())
