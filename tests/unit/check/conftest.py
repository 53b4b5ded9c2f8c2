from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

PIPELINE = """\
name: payments
source: {topics: [payments]}
event:
  id: payment_id
  fields:
    payment_id: {dtype: string}
    amount: {dtype: float32}
    count: {dtype: int32}
variants:
  champion:
    weight: 1
    model: {name: fraud, path: model.onnx}
    inputs: {x: [amount, count]}
    outputs: {fraud: {tensor: p, column: 1}}
predictions: {topic: predictions}
dead_letters: {topic: dead}
metrics: {port: 0}
"""


@pytest.fixture
def pipeline(tmp_path: Path) -> Callable[..., Path]:
    """A pipeline file with its model beside it; `pipeline(old, new, …)` replaces text in it first."""
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["p"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", 2])],
        [helper.make_tensor_value_info("p", TensorProto.FLOAT, ["rows", 2])],
        [helper.make_tensor("w", TensorProto.FLOAT, [2, 2], np.eye(2, dtype=np.float32).tobytes(), raw=True)],
    )
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), tmp_path / "model.onnx"
    )

    def write(*pairs: str) -> Path:
        text = PIPELINE
        for old, new in zip(pairs[::2], pairs[1::2], strict=True):
            assert old in text
            text = text.replace(old, new)
        (tmp_path / "pipeline.yaml").write_text(text)
        return tmp_path / "pipeline.yaml"

    return write
