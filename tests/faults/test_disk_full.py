"""11: the disk is full, or the folder read-only."""

import os
import re
import stat
import tempfile
from pathlib import Path

import pytest

from tests.faults import bugs_inside, features, plants
from tests.faults.oracle import Verdict
from tests.faults.some_modes import dealt
from tests.faults.stage import Stage
from tests.faults.trial import Trial

WROTE = "wrote to the disk"
_PROBE = re.compile(r"[a-z0-9_]{8}")
"""How Python looks for a folder for temporary files, which importing Feast makes it do: four bytes, removed at once."""
_OPENED = re.compile(r"^OPENED FOR WRITING: (.+)$", re.MULTILINE)


def read_only(folder: Path) -> None:
    """Take every write permission away (which binds everybody but root), and note what lies there."""
    for path in [folder, *folder.rglob("*")]:
        os.chmod(path, stat.S_IMODE(path.stat().st_mode) & ~0o222)


def content(folder: Path) -> dict[str, int]:
    """Path -> time of the last change, of all files below `folder`."""
    return {str(path): path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


async def scene(stage: Stage) -> Verdict:
    """A worker that reads features, where no file may grow. It writes a log; the gate is the suite's own."""
    features.install(stage.folder)
    repository = stage.folder / "features"
    read_only(repository)
    before = content(repository)
    worker = stage.worker(plants.on_a_full_disk)
    await stage.feeder.feed(400)
    await stage.until_answered(400)
    ours = str(worker.gate.folder)
    opened = {path for path in _OPENED.findall(worker.said()) if not path.startswith(ours)}
    for path in sorted(opened):
        folder, name = os.path.split(path)
        if folder != tempfile.gettempdir() or not _PROBE.fullmatch(name):
            stage.find(WROTE, path)
    if content(repository) != before:
        stage.find(WROTE, "the feature repository changed")
    if "Traceback" in worker.said():
        stage.find("unclear error", worker.said()[-500:])
    return await stage.finish()


@pytest.mark.parametrize("delivery", dealt(0))
async def test_a_worker_needs_no_disk(trial: Trial, delivery: str) -> None:
    async with trial.stage(delivery, **features.sections()) as stage:
        trial.passed(stage, await scene(stage))


@pytest.mark.parametrize("delivery", dealt(1))
async def test_a_spool_is_caught(trial: Trial, delivery: str) -> None:
    trial = trial.with_bug(bugs_inside.writes_a_spool)
    async with trial.stage(delivery, **features.sections()) as stage:
        trial.caught(stage, await scene(stage), WROTE)
