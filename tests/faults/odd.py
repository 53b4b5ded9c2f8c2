"""A model that does as it is told: a plug-in runtime over the gated one, obeying orders from outside the process.

A row whose number is `BAD` or more raises by itself. Further orders stand in the file `order` in the gate's folder:
`raise` (an exception that is nobody's row), `hang`, `hang with the lock` (of the interpreter), `kill` (as the system
does when memory runs out), `eat` (more memory than the process may have), and `warm up` (no end of the warm-up while
it stands).
"""

import ctypes
import os
import resource
import signal
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from streamapp.errors import InferenceError
from streamapp.infer.faults import blame
from streamapp.protocols import Runtime, RuntimeOptions, Signature
from streamapp.types import Array
from tests.faults import gate
from tests.faults.gate import FOLDER, Gate

BAD = 2_000_000.0
"""Above every number that the suite's events have, and exact in float32."""
_METADATA = "Metadata-Version: 2.1\nName: odd-runtime\nVersion: 1\n"
_ENTRY_POINTS = "[streamapp.runtimes]\nodd = tests.faults.odd:load\n"
_ROOM_BYTES = 1 << 30
_MEAL_BYTES = 4 << 30


def install(folder: Path) -> None:
    """Offer the runtime `odd` to workers whose pipeline lies in `folder`."""
    plugin = folder / "plugins" / "odd_runtime-1.dist-info"
    plugin.mkdir(parents=True)
    (plugin / "METADATA").write_text(_METADATA)
    (plugin / "entry_points.txt").write_text(_ENTRY_POINTS)


def order(gate: Gate, text: str) -> None:
    """Tell the worker behind `gate` what to do with its next batch; `""` takes the order back."""
    scratch = gate.folder / "order.new"
    scratch.write_text(text)
    scratch.rename(gate.folder / "order")


class OddRuntime:
    """The gated model, unless an order stands."""

    def __init__(self, model: Runtime, folder: Path) -> None:
        self._model, self._order = model, folder / "order"

    @property
    def signature(self) -> Signature:
        return self._model.signature

    def infer(self, inputs: Mapping[str, Array]) -> Mapping[str, Array]:
        numbers = next(iter(inputs.values()))
        if np.any(numbers):
            self._obey(self._ordered())
        while not np.any(numbers) and self._ordered() == "warm up":
            time.sleep(0.01)
        if np.any(numbers >= BAD):
            raise InferenceError("a row that the model cannot take (stub)")
        return self._model.infer(inputs)

    def close(self) -> None:
        self._model.close()

    def _ordered(self) -> str:
        return self._order.read_text() if self._order.exists() else ""

    def _obey(self, said: str) -> None:
        if said == "raise":
            raise ZeroDivisionError("a bug in the model (stub)")
        if said == "hang":
            time.sleep(3600)
        if said == "hang with the lock":
            ctypes.PyDLL(None).sleep(3600)
        if said == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if said == "eat":
            try:
                _eat()
            except MemoryError as error:
                raise blame(error) from error


def _eat() -> None:
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    limits = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (used + _ROOM_BYTES, limits[1]))
    try:
        np.ones(_MEAL_BYTES, np.uint8)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limits)


def load(path: Path, options: RuntimeOptions) -> Runtime:
    """Entry point of `streamapp.runtimes`, named `odd`."""
    return OddRuntime(gate.load(path, options), Path(os.environ[FOLDER]))
