"""The rollout of the demo: started by the command that anybody would type, followed on the control log."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from streamapp.act.state import ABORTED, PROMOTED, Rollout
from streamapp.config.load import load_pipeline
from streamapp.control.client import ControlClient
from streamapp.control.companion import control_topics
from streamapp.control.fold import Entry
from streamapp.demo.child import ChildProcess, python
from streamapp.demo.workplace import Workplace, tail
from streamapp.errors import DependencyError
from streamapp.kafka.client import connection
from streamapp.kafka.control import ControlConnection
from streamapp.rollout.words import what, why

MODEL = "late_arrival"
"""As the pipeline file names it."""
FIRST_LABELS = 1_000
"""Labels that have come back before it begins."""
_CONNECT_S = 60.0
_LOOK_S = 0.25


@dataclass(frozen=True, slots=True)
class Plot:
    """What is rolled out, by which file, and how it has to end."""

    version: str
    file: str
    ends: str
    like: str | None = None

    @property
    def arguments(self) -> list[str]:
        """Of `streamapp rollout start`."""
        return [MODEL, "--to", self.version, *([] if self.like is None else ["--like", self.like])]


WINNING = Plot("2", "rollout.yaml", PROMOTED)
SABOTAGED = Plot("3", "rollback.yaml", ABORTED, like="challenger")


class RolloutWatch:
    """Starts the rollout once labels come back, and keeps what the control log says of it."""

    def __init__(self, place: Workplace, plot: Plot, labels: Callable[[], int]) -> None:
        self._place, self.plot, self._labels = place, plot, labels
        self.rollout: Rollout | None = None
        self.lines: list[str] = []
        """What happened to it, a line each."""

    @property
    def as_it_should(self) -> bool:
        """Whether it ended as its plot says: promoted, or taken back for the condition that failed."""
        if self.rollout is None or self.rollout.status != self.plot.ends:
            return False
        return self.plot.ends == PROMOTED or "failureCondition met" in self.rollout.reason

    @property
    def over(self) -> bool:
        """Whether nothing more comes of it."""
        return self.rollout is not None and self.rollout.over

    async def run(self) -> None:
        """Watch until cancelled. Raises `DependencyError` if the rollout cannot be started."""
        settings = load_pipeline(self._place.pipeline)
        opened = ControlConnection(connection(settings.kafka), control_topics(settings))
        await opened.prepare(_CONNECT_S)
        try:
            async with ControlClient(opened.log) as client:
                await self._first_labels()
                seen = len(client.entries)
                await asyncio.to_thread(self._start)
                while True:
                    self._take(client.entries[seen:])
                    seen = len(client.entries)
                    self.rollout = client.state.rollouts.get(MODEL)
                    await client.changed(seen)
        finally:
            await opened.close(1.0)

    async def _first_labels(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_S)
            if self._labels() >= FIRST_LABELS:
                return

    def _start(self) -> None:
        file = write_strategy(self._place.directory, self.plot)
        options = ["--pipeline", str(self._place.pipeline), "--file", str(file)]
        command = python("-m", "streamapp", "rollout", "start", *self.plot.arguments, *options)
        self.lines.append(f"$ streamapp rollout start {' '.join(self.plot.arguments)} --file {file.name}")
        log = self._place.directory / "rollout.log"
        with ChildProcess(command, log=log) as child:
            if not child.wait(_CONNECT_S) or child.exit_status:
                raise DependencyError(f"the rollout was not started:\n{tail(log)}")

    def _take(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            if entry.command is not None:
                said = "  ".join(part for part in (what(entry.command), why(entry.command)) if part)
                self.lines.append(f"{said}  refused: {entry.refusal}" if entry.refusal else said)


def write_strategy(folder: Path, plot: Plot) -> Path:
    """The rollout file, beside the pipeline file."""
    path = folder / plot.file
    path.write_bytes((files("streamapp.demo") / plot.file).read_bytes())
    return path
