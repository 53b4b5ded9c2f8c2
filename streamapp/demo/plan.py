"""What the replaying process is told, and what it tells: two small files."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class ReplayPlan:
    """What to replay and where to. start and until: ISO dates; speed: event seconds per second; paths as text."""

    bootstrap_servers: str
    topic: str
    predictions: str
    dead_letters: str
    outcomes: str
    partitions: int
    fetch_max_wait_ms: int
    metrics_port: int
    directory: str
    start: str
    until: str
    speed: float
    seed: int

    def write(self, path: Path) -> None:
        """Save it for the process."""
        path.write_text(json.dumps(asdict(self)), encoding="utf-8")

    @staticmethod
    def read(path: Path) -> "ReplayPlan":
        """What was saved."""
        return ReplayPlan(**json.loads(path.read_text(encoding="utf-8")))


@dataclass(frozen=True, slots=True)
class ReplayProgress:
    """How far it is. Times in ms of event time; done once everything was acknowledged."""

    now_ms: int
    start_ms: int
    end_ms: int
    events: int
    broken: int
    outcomes: int
    total_events: int
    measurements: int
    done: bool

    def write(self, path: Path) -> None:
        """Replace the file; a reader sees the one or the other, whole."""
        fresh = path.with_suffix(".new")
        fresh.write_text(json.dumps(asdict(self)), encoding="utf-8")
        fresh.replace(path)

    @staticmethod
    def read(path: Path) -> "ReplayProgress | None":
        """The latest, or None before the first."""
        try:
            return ReplayProgress(**json.loads(path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None
