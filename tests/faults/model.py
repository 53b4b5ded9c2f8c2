"""The suite's model, real and small: score = 2 * number + 1, as ONNX."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper


def save_model(path: Path) -> None:
    """`x` float32 (rows, 1) -> `y` float32 (rows, 1)."""
    two, one = np.array([2], np.float32), np.array([1], np.float32)
    graph = helper.make_graph(
        [helper.make_node("Mul", ["x", "two"], ["z"]), helper.make_node("Add", ["z", "one"], ["y"])],
        "line",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 1])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 1])],
        [
            helper.make_tensor("two", TensorProto.FLOAT, [1], two.tobytes(), raw=True),
            helper.make_tensor("one", TensorProto.FLOAT, [1], one.tobytes(), raw=True),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, path)
