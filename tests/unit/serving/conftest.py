from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from streamapp.pipeline import Pipeline
from tests import counted_runtime
from tests.onnx_models import onnx_model
from tests.serving_plans import Folder, settings


@pytest.fixture
def registry(tmp_path: Path) -> Folder:
    """ONNX models of `m` and `o`: version v scores the amount plus 10 v, for `o` plus 100 more."""
    folder = Folder(tmp_path)
    for version in range(1, 6):
        folder.put("m", str(version), onnx_model(10.0 * version), ".onnx")
        folder.put("o", str(version), onnx_model(100 + 10.0 * version), ".onnx")
    return folder


@pytest.fixture
def pipeline(tmp_path: Path, registry: Folder) -> Iterator[Pipeline]:
    with Pipeline.build(settings(ending=".onnx"), tmp_path, registry) as built:
        yield built


@pytest.fixture(scope="module")
def counted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The runtime `counted` is installed."""
    with counted_runtime.installed(tmp_path_factory.mktemp("site")):
        yield


@pytest.fixture
def numbers(tmp_path: Path, counted: None) -> Iterator[Callable[..., Folder]]:
    """Versions of `m` and `o` for the runtime `counted`; none may stay open."""

    def make(versions: int = 5) -> Folder:
        folder = Folder(tmp_path, "counted")
        for version in range(1, versions + 1):
            for model in ("m", "o"):
                folder.put(model, str(version), str(version).encode())
        return folder

    counted_runtime.LOADED.clear()
    counted_runtime.WAITING.clear()
    yield make
    counted_runtime.GATE.set()
    assert not +counted_runtime.OPEN
