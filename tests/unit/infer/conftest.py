"""Small ONNX models, built when a test asks for one, and event batches."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from streamapp.types import Column, EventBatch, FeatureBlock

WEIGHTS = np.random.default_rng(0).normal(size=(3, 2)).astype(np.float32)


@pytest.fixture
def weights() -> np.ndarray:
    return WEIGHTS


@pytest.fixture
def save_model(tmp_path: Path) -> Callable[..., Path]:
    """softmax(x @ WEIGHTS): `x` float32 (rows, 3) -> `p` float32 (rows, 2)."""

    def save(name: str = "model.onnx", rows: int | str = "n") -> Path:
        graph = helper.make_graph(
            [helper.make_node("MatMul", ["x", "w"], ["z"]), helper.make_node("Softmax", ["z"], ["p"], axis=1)],
            "small",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, [rows, 3])],
            [helper.make_tensor_value_info("p", TensorProto.FLOAT, [rows, 2])],
            [helper.make_tensor("w", TensorProto.FLOAT, [3, 2], WEIGHTS.tobytes(), raw=True)],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
        onnx.save(model, tmp_path / name)
        return tmp_path / name

    return save


@pytest.fixture
def save_gather(tmp_path: Path) -> Callable[..., Path]:
    """A table of three scores looked up by `i` int64 (rows,): raises for an index outside -3..2."""

    def save(name: str = "gather.onnx") -> Path:
        graph = helper.make_graph(
            [helper.make_node("Gather", ["t", "i"], ["p"], axis=0)],
            "gather",
            [helper.make_tensor_value_info("i", TensorProto.INT64, ["n"])],
            [helper.make_tensor_value_info("p", TensorProto.FLOAT, ["n"])],
            [helper.make_tensor("t", TensorProto.FLOAT, [3], [0.25, 0.5, float("nan")])],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
        onnx.save(model, tmp_path / name)
        return tmp_path / name

    return save


@pytest.fixture
def events() -> Callable[[Mapping[str, Column]], EventBatch]:
    def build(columns: Mapping[str, Column]) -> EventBatch:
        n = len(next(iter(columns.values())))
        ids = [f"id-{i}" for i in range(n)]
        return EventBatch(columns, ids, ids, np.zeros(n, np.int64), {})

    return build


@pytest.fixture
def block() -> Callable[..., FeatureBlock]:
    def build(rows: list[int], names: tuple[str, ...] = (), values: np.ndarray | None = None) -> FeatureBlock:
        m = len(rows)
        filled = np.zeros((m, len(names)), np.float32) if values is None else values
        nothing = np.empty((m, 0))
        return FeatureBlock(
            np.array(rows, np.int64), names, filled, (), nothing.astype(np.float32), nothing.astype(np.uint8)
        )

    return build
