"""Small models, made when a test asks for one, and a registry that is empty."""

import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper

from streamapp.models import Registry


@pytest.fixture
def save_onnx(tmp_path: Path) -> Callable[..., Path]:
    """x @ ones: `x` float32 (rows, columns) -> `p` float32 (rows, 1). location: of weights kept outside the file."""

    def save(path: Path | str = "model.onnx", columns: int = 3, location: str | None = None, scale: float = 1) -> Path:
        raw = np.full((columns, 1), scale, np.float32).tobytes()
        weights = helper.make_tensor("w", TensorProto.FLOAT, [columns, 1], raw, raw=True)
        target = tmp_path / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if location is not None:
            weights.ClearField("raw_data")
            weights.data_location = TensorProto.EXTERNAL
            weights.external_data.add(key="location", value=location)
        graph = helper.make_graph(
            [helper.make_node("MatMul", ["x", "w"], ["p"])],
            "g",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", columns])],
            [helper.make_tensor_value_info("p", TensorProto.FLOAT, ["rows", 1])],
            [weights],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
        target.write_bytes(model.SerializeToString())
        return target

    return save


class Runs:
    """A pickle that runs a line of Python while it is opened."""

    def __init__(self, line: str) -> None:
        self._line = line

    def __reduce__(self):
        return exec, (self._line,)


@pytest.fixture
def save_pickle(tmp_path: Path) -> Callable[..., Path]:
    """As a `.river` file, which is opened only if it is trusted."""

    def save(line: str, name: str = "model.river") -> Path:
        (tmp_path / name).write_bytes(pickle.dumps(Runs(line)))
        return tmp_path / name

    return save


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    (tmp_path / "registry").mkdir()
    return Registry(tmp_path / "registry")
