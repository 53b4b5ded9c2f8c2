"""16: at start the artefact is corrupt, truncated, not the pinned one, of another signature."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from tests.faults import bugs_inside, oracle
from tests.faults.model import save_model
from tests.faults.oracle import Verdict
from tests.faults.some_modes import dealt
from tests.faults.stage import Stage
from tests.faults.trial import Trial
from tests.faults.workers import PATIENCE_S
from tests.faults.workplace import merged, write_pipeline

STARTED = "started with a bad artefact"
UNCLEAR = "unclear error"
CONSUMED = "consumed or committed"


def _corrupt(path: Path) -> None:
    save_model(path)
    content = bytearray(path.read_bytes())
    content[10:40] = b"\xff" * 30
    path.write_bytes(content)


def _truncated(path: Path) -> None:
    save_model(path)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def _other(path: Path) -> None:
    """A good model, and not the one that was pinned: score = number."""
    _identity(path, "x", [1])


def _signature(path: Path) -> None:
    _identity(path, "x", [2])


def _identity(path: Path, name: str, columns: list[int]) -> None:
    given = helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", *columns])
    gives = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", *columns])
    one = helper.make_tensor("one", TensorProto.FLOAT, [1], np.ones(1, np.float32).tobytes(), raw=True)
    graph = helper.make_graph([helper.make_node("Mul", [name, "one"], ["y"])], "other", [given], [gives], [one])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)


DAMAGES: dict[str, tuple[Callable[[Path], None], bool, str]] = {
    "corrupt": (_corrupt, False, "model_load"),
    "truncated": (_truncated, False, "model_load"),
    "wrong hash": (_other, True, "SHA-256 is"),
    "wrong signature": (_signature, False, "model_contract"),
}
"""Name -> what makes the file, whether the right one's digest is pinned, and what the error must say."""


def lay_out_bad(stage: Stage, name: str) -> Path:
    """A pipeline file beside the good one that names the damaged model."""
    make, pinned, _ = DAMAGES[name]
    file = name.replace(" ", "-")
    make(stage.folder / f"{file}.onnx")
    digest = hashlib.sha256((stage.folder / "model.onnx").read_bytes()).hexdigest()
    model = {"path": f"{file}.onnx", **({"sha256": digest} if pinned else {})}
    path = stage.folder / f"{file}.yaml"
    write_pipeline(path, merged(stage.document, {"variants": {"line": {"model": model}}}))
    return path


async def scene(stage: Stage) -> Verdict:
    await stage.feeder.feed(100)
    bad = {name: stage.worker(pipeline=lay_out_bad(stage, name)) for name in DAMAGES}
    await stage.until(lambda: sum(worker.running for worker in bad.values()) <= bool(stage.watcher.answers), PATIENCE_S)
    for name, worker in bad.items():
        if worker.running:
            stage.find(STARTED, name)
            continue
        said, status = worker.said(), worker.child.exit_status
        wanted = (DAMAGES[name][2], f"{name.replace(' ', '-')}.onnx" if name != "wrong signature" else "line")
        if not status or "Traceback" in said or not all(text in said for text in wanted):
            stage.find(UNCLEAR, f"{name}: status {status}: {said[-400:]}")
    if await stage.committed() or stage.watcher.answers:
        stage.find(CONSUMED, f"{await stage.committed()}, {len(stage.watcher.answers)} answers")
    for worker in bad.values():
        worker.end()
    stage.worker()
    await stage.feeder.feed(100)
    return await stage.finish()


@pytest.mark.parametrize("delivery", dealt(0))
async def test_a_bad_artefact_is_refused_before_anything_is_consumed(trial: Trial, delivery: str) -> None:
    async with trial.stage(delivery) as stage:
        trial.passed(stage, await scene(stage))


@pytest.mark.parametrize("delivery", dealt(1))
async def test_loading_another_file_than_the_pinned_one_is_caught(trial: Trial, delivery: str) -> None:
    trial = trial.with_bug(bugs_inside.checks_no_digest)
    async with trial.stage(delivery) as stage:
        trial.caught(stage, await scene(stage), STARTED, CONSUMED, oracle.WRONG_PAYLOAD)
