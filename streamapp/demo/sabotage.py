"""A version that is wrong and does not look it: the challenger, saying of every flight the opposite."""

from pathlib import Path

import onnx
from onnx import TensorProto, helper

_OUTPUT = "probabilities"


def sabotage(model: Path, into: Path) -> None:
    """Write the model in `model` to `into` with 1 - p for every probability p: same signature, same speed."""
    graph_of = onnx.load(str(model))
    before = f"{_OUTPUT}_before"
    for node in graph_of.graph.node:
        for place, name in enumerate(node.output):
            if name == _OUTPUT:
                node.output[place] = before
    graph_of.graph.initializer.append(helper.make_tensor("one", TensorProto.FLOAT, [], [1.0]))
    graph_of.graph.node.append(helper.make_node("Sub", ["one", before], [_OUTPUT]))
    onnx.save(graph_of, str(into))
