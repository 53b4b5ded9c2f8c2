"""The models that all contenders score with: seeded multilayer perceptrons as ONNX, rows free."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

TABULAR = (32, 16, 1)
"""Layers of the small tabular model."""
FFNN = (32, 32, 32, 10)
"""Layers of Crayfish's FFNN for 784 inputs: 27 562 parameters."""


def write_model(path: Path, inputs: int, layers: tuple[int, ...], last: str) -> None:
    """Write an MLP `x` float32 (n, inputs) -> `y` float32 (n, layers[-1]): ReLU inside, `last` at the end."""
    random = np.random.default_rng(inputs)
    nodes, weights, width, name = [], [], inputs, "x"
    for index, outputs in enumerate(layers):
        weight = random.normal(0, width**-0.5, (width, outputs)).astype(np.float32)
        bias = random.normal(0, 0.1, outputs).astype(np.float32)
        weights += [numpy_helper.from_array(weight, f"w{index}"), numpy_helper.from_array(bias, f"b{index}")]
        nodes.append(helper.make_node("Gemm", [name, f"w{index}", f"b{index}"], [f"h{index}"]))
        name = "y" if index == len(layers) - 1 else f"a{index}"
        nodes.append(helper.make_node(last if name == "y" else "Relu", [f"h{index}"], [name]))
        width = outputs
    graph = helper.make_graph(
        nodes,
        "mlp",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, inputs])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, layers[-1]])],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, path)
