"""A runtime of another package: a model file holds the number that the model scores every row with.

Who loads it is written down, so that tests can count; `GATE` holds loading up. `installed` makes its entry point known.
"""

import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from streamapp.errors import DependencyError, ModelLoadError
from streamapp.protocols import RuntimeOptions, Signature, TensorSpec
from streamapp.types import Array

OPEN: Counter[str] = Counter()
"""File name -> how many models of it are open."""
LOADED: Counter[str] = Counter()
"""File name -> how often it was loaded."""
BROKEN: set[str] = set()
"""File names of models that give the wrong shape from now on."""
HUNGRY: set[str] = set()
"""File names of models that run out of memory from now on."""
GATE = threading.Event()
GATE.set()
WAITING = threading.Event()
"""Somebody is about to load."""


class Constant:
    signature = Signature((TensorSpec("x", "float32", (None, 1)),), (TensorSpec("y", "float32", (None, 1)),))

    def __init__(self, name: str, score: float) -> None:
        self._name = name
        self._score = score
        self._open = True
        OPEN[name] += 1
        LOADED[name] += 1

    def infer(self, inputs: Mapping[str, Array]) -> Mapping[str, Array]:
        if not self._open:
            raise RuntimeError(f"{self._name} was closed before its last batch")
        if self._name in BROKEN:
            return {"y": np.zeros((1, 7), np.float32)}
        if self._name in HUNGRY:
            raise DependencyError(f"{self._name} ran out of memory")
        return {"y": np.full((len(inputs["x"]), 1), self._score, np.float32)}

    def close(self) -> None:
        if self._open:
            self._open = False
            OPEN[self._name] -= 1


def load(path: Path, options: RuntimeOptions) -> Constant:
    WAITING.set()
    GATE.wait()
    try:
        return Constant(path.name, float(path.read_text()))
    except ValueError as error:
        raise ModelLoadError(f"model {path.name}: is no number") from error


@contextmanager
def installed(site: Path) -> Iterator[None]:
    """As if a package that brings the runtime `counted` were installed in `site`."""
    metadata = site / "counted-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: counted\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[streamapp.runtimes]\ncounted = tests.counted_runtime:load\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(site))
        yield
