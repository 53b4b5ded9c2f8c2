from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from streamapp.pipeline import Pipeline
from tests import counted_runtime
from tests.serving_plans import Folder, settings


def onnx_model(bias: float, width: int = 1) -> bytes:
    """`x` float32 (rows, width) -> `y` float32 (rows, 1): the sum of the row, plus `bias`."""
    ones, added = np.ones((width, 1), np.float32), np.array([bias], np.float32)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["z"]), helper.make_node("Add", ["z", "b"], ["y"])],
        "sum",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", width])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 1])],
        [
            helper.make_tensor("w", TensorProto.FLOAT, [width, 1], ones.tobytes(), raw=True),
            helper.make_tensor("b", TensorProto.FLOAT, [1], added.tobytes(), raw=True),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    content: bytes = onnx.ModelProto.SerializeToString(model)
    return content


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
