"""Workers as processes: `streamapp run`, or the same with something planted in it."""

import asyncio
import os
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from streamapp.demo.child import ChildProcess, python
from tests.faults.gate import FOLDER, Gate
from tests.faults.workplace import python_path

PATIENCE_S = 40.0
"""How long a process may take for something that no promise limits (starting, saying a line)."""

_ASSIGNED = " holds "

Plant = Callable[[], None]
"""A function of a module that patches product classes in the process that calls it (see `bugs.py`)."""


class Worker:
    """One worker process of a pipeline, with its log and the gate before its model."""

    def __init__(self, number: int, pipeline: Path, plants: Sequence[Plant] = ()) -> None:
        self.number = number
        folder = pipeline.parent
        self.log = folder / f"worker-{number}.log"
        self.gate = Gate(folder / f"gate-{number}")
        planted = [f"{plant.__module__}:{plant.__name__}" for plant in plants]
        main = ["tests.faults.launch", ",".join(planted)] if planted else ["streamapp"]
        self._command = python("-m", *main, "run", str(pipeline), f"--set=kafka.client.id=worker-{number}")
        self._env = {**os.environ, "PYTHONPATH": python_path(folder), FOLDER: str(self.gate.folder)}
        self._child: ChildProcess | None = None
        self.frozen = False

    def start(self) -> None:
        """Launch it; its log and gate stay those of before."""
        self.end()
        self._child = ChildProcess(self._command, log=self.log, env=self._env)
        self.frozen = False

    @property
    def child(self) -> ChildProcess:
        if self._child is None:
            raise RuntimeError(f"worker {self.number} was never started")
        return self._child

    @property
    def running(self) -> bool:
        """Whether the process is there, frozen or not."""
        return self._child is not None and self._child.exit_status is None

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        os.kill(self.child.pid, number)
        self.frozen = number == signal.SIGSTOP or (self.frozen and number != signal.SIGCONT)

    def end(self) -> None:
        """SIGKILL, and return once it is gone."""
        if self._child is not None:
            self._child.stop(grace_s=0.0)

    @property
    def assignments(self) -> int:
        """How often it was assigned partitions, or none."""
        return self.said().count(_ASSIGNED)

    async def wait_until_assigned(self, times: int) -> None:
        """Return once it was assigned partitions that often."""
        await self.wait_until_said(_ASSIGNED, times)

    def said(self) -> str:
        """Its log so far."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    async def wait_until_said(self, text: str, times: int = 1) -> None:
        """Return once the log holds `text` that often."""
        await self._wait(lambda: self.said().count(text) >= times, f"never said {text!r}")

    async def wait_until_entered(self, batches: int) -> None:
        """Return once that many batches arrived at the model."""
        await self._wait(lambda: self.gate.entered >= batches, f"never scored {batches} batches")

    async def _wait(self, holds: Callable[[], bool], complaint: str) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not holds():
            if not self.running or time.monotonic() > deadline:
                raise AssertionError(f"worker {self.number} {complaint}:\n{self.said()[-4000:]}")
            await asyncio.sleep(0.01)
