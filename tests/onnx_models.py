"""Small ONNX models whose scores can be told from one another."""

import numpy as np
import onnx
from onnx import TensorProto, helper


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
