"""The folder of a run: what is prepared in it before the first flight departs."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import as_file, files
from pathlib import Path

from streamapp.demo.child import ChildProcess, python
from streamapp.demo.flights import FlightData
from streamapp.demo.sources import write_sources
from streamapp.errors import ConfigError

_OWN = (
    *("feature_repo", "models", "registry", "flights.parquet", "journal.tsv", "pipeline.yaml", "replay.json"),
    *("replay.progress", "rollout.yaml", "rollback.yaml"),
)
_LOGS = ("feast.log", "replay.log", "rollout.log", "worker.log")
_APPLY_S = 120.0
_TAIL_LINES = 15


class Workplace:
    """`directory` and the files in it. What an earlier run left there is removed, other files are not touched."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.repository = directory / "feature_repo"
        self.models = directory / "models"
        self.registry = directory / "registry"
        self.pipeline = directory / "pipeline.yaml"
        self.plan = directory / "replay.json"
        self.progress = directory / "replay.progress"
        self.journal = directory / "journal.tsv"
        self.worker_log = directory / "worker.log"
        self.replay_log = directory / "replay.log"

    def clear(self) -> None:
        """Make the folder and put a fresh copy of the feature repository into it."""
        self.directory.mkdir(parents=True, exist_ok=True)
        for name in (*_OWN, *_LOGS):
            path = self.directory / name
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        with as_file(files("streamapp.demo") / "feature_repo") as original:
            shutil.copytree(original, self.repository, ignore=shutil.ignore_patterns("data", "__pycache__"))

    def write_data(self, data: FlightData) -> None:
        """Write what the feature repository and the replaying process read."""
        write_sources(data, self.repository)
        data.flights.to_parquet(self.directory / "flights.parquet", index=False)

    @contextmanager
    def applying(self) -> Iterator[None]:
        """`feast apply`, in a process of its own beside the block. Raises `ConfigError` if it fails."""
        log = self.directory / "feast.log"
        command = python("-m", "feast.cli.cli", "--chdir", str(self.repository), "apply")
        with ChildProcess(command, log=log) as child:
            yield
            if not child.wait(_APPLY_S) or child.exit_status:
                raise ConfigError(f"feast apply failed:\n{tail(log)}")


def tail(log: Path) -> str:
    """The last lines of a log."""
    try:
        return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-_TAIL_LINES:])
    except FileNotFoundError:
        return "(no log)"
