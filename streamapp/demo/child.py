"""A child process that ends with its parent, whatever ends the parent."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

_GUARD = 'read -r line || kill -9 "$1" 2>/dev/null'
"""Waits on a pipe that the parent holds: a line means an orderly end, end of file that the parent is gone."""


class ChildProcess:
    """A running command in its own session, so that Ctrl-C reaches the parent alone, which then stops it in order.

    A second tiny process holds the read end of a pipe from the parent and kills the command if the parent
    vanishes without `stop`; this also covers SIGKILL and does not depend on the parent's threads.
    stdout and stderr go to `log`, or nowhere.
    """

    def __init__(
        self, command: Sequence[str], *, log: Path | None = None, env: Mapping[str, str] | None = None
    ) -> None:
        sink = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644) if log else subprocess.DEVNULL
        try:
            self._process = subprocess.Popen(
                list(command), stdin=subprocess.DEVNULL, stdout=sink, stderr=sink, env=env, start_new_session=True
            )
        finally:
            if log:
                os.close(sink)
        self._guard = subprocess.Popen(
            ["/bin/sh", "-c", _GUARD, "guard", str(self._process.pid)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    @property
    def exit_status(self) -> int | None:
        """Exit status, negative for a signal; None while it runs."""
        return self._process.poll()

    def wait(self, timeout_s: float) -> bool:
        """Whether the process ended within `timeout_s`."""
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return False
        return True

    def stop(self, *, grace_s: float = 5.0) -> int:
        """SIGTERM, after `grace_s` SIGKILL; the exit status. Safe to call twice."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            if not self.wait(grace_s):
                self._process.kill()
        status = self._process.wait()
        if self._guard.poll() is None:
            self._guard.communicate(b"done\n")
        return status

    def __enter__(self) -> "ChildProcess":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def python(*arguments: str) -> list[str]:
    """The command line that runs `arguments` under this interpreter."""
    return [sys.executable, *arguments]
