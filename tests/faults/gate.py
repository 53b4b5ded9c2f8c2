"""A gate before a model: a case decides, from outside the process, when a batch may be scored.

The gate is a folder. Files in it: `hold` keeps batches waiting while it exists, `pause_s` holds the seconds that
each batch takes longer, `entered` gets a line (the number of rows) per batch that arrived at the model.
"""

import os
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from streamapp.infer import onnx
from streamapp.protocols import Runtime, RuntimeOptions, Signature
from streamapp.types import Array

FOLDER = "FAULTS_GATE"
"""Environment variable with the gate's folder."""
_LOOK_AGAIN_S = 0.005


class Gate:
    """The folder, seen from the case and from the worker."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._hold, self._pause, self._entered = folder / "hold", folder / "pause_s", folder / "entered"

    def hold(self) -> None:
        """Let no further batch through."""
        self._hold.touch()

    def release(self) -> None:
        """Let batches through again."""
        self._hold.unlink(missing_ok=True)

    def slow(self, pause_s: float) -> None:
        """Make each batch take that much longer."""
        scratch = self._pause.with_suffix(".new")
        scratch.write_text(str(pause_s))
        scratch.rename(self._pause)

    @property
    def entered(self) -> int:
        """Batches that arrived at the model."""
        return len(self._entered.read_text().splitlines()) if self._entered.exists() else 0

    def enter(self, rows: int) -> None:
        """In the worker: say that a batch is here and wait until it may be scored."""
        with self._entered.open("a") as file:
            file.write(f"{rows}\n")
        while self._hold.exists():
            time.sleep(_LOOK_AGAIN_S)
        if self._pause.exists():
            time.sleep(float(self._pause.read_text()))


class GatedRuntime:
    """An ONNX model behind a gate. A warm-up (all zeros, which no event is) passes."""

    def __init__(self, model: Runtime, gate: Gate) -> None:
        self._model, self._gate = model, gate

    @property
    def signature(self) -> Signature:
        return self._model.signature

    def infer(self, inputs: Mapping[str, Array]) -> Mapping[str, Array]:
        if any(np.any(values) for values in inputs.values()):
            self._gate.enter(len(next(iter(inputs.values()))))
        return self._model.infer(inputs)

    def close(self) -> None:
        self._model.close()


def load(path: Path, options: RuntimeOptions) -> Runtime:
    """Entry point of `streamapp.runtimes`, named `gated` (see `workplace.py`)."""
    return GatedRuntime(onnx.load(path, options), Gate(Path(os.environ[FOLDER])))
