import os
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from streamapp.errors import ModelLoadError
from streamapp.infer.external_data import check_external_data, locations
from streamapp.infer.onnx import load
from streamapp.protocols import RuntimeOptions

WEIGHTS = np.ones((3, 2), np.float32)


def external(name: str, location: str) -> TensorProto:
    tensor = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=[3, 2], data_location=TensorProto.EXTERNAL)
    for key, value in (("location", location), ("offset", "0"), ("length", "24")):
        tensor.external_data.add(key=key, value=value)
    return tensor


def save(path: Path, location: str) -> Path:
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["p"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3])],
        [helper.make_tensor_value_info("p", TensorProto.FLOAT, ["n", 2])],
        [external("w", location)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    path.write_bytes(model.SerializeToString())
    return path


def test_data_beside_the_model_is_loaded(tmp_path):
    (tmp_path / "w.bin").write_bytes(WEIGHTS.tobytes())
    runtime = load(save(tmp_path / "m.onnx", "w.bin"), RuntimeOptions(device="cpu"))
    assert runtime.infer({"x": np.ones((1, 3), np.float32)})["p"].tolist() == [[3, 3]]


def test_data_in_a_folder_below_passes(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "w.bin").write_bytes(WEIGHTS.tobytes())
    check_external_data(save(tmp_path / "m.onnx", "data/w.bin"))


@pytest.mark.parametrize(
    "location",
    ["../w.bin", "/etc/passwd", "data/../../w.bin", "..\\w.bin", "\\\\host\\w", "C:\\w.bin", "file:w.bin", ""],
)
def test_locations_outside_the_folder_are_refused(tmp_path, location):
    (tmp_path / "w.bin").write_bytes(WEIGHTS.tobytes())
    (tmp_path / "models").mkdir()
    with pytest.raises(ModelLoadError, match="outside the model's folder"):
        load(save(tmp_path / "models" / "m.onnx", location), RuntimeOptions())


def test_missing_data_is_named(tmp_path):
    with pytest.raises(ModelLoadError, match=r"external data of m\.onnx.*no such file"):
        check_external_data(save(tmp_path / "m.onnx", "w.bin"))


def test_linked_data_is_refused(tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes(WEIGHTS.tobytes())
    (tmp_path / "soft.bin").symlink_to(secret)
    with pytest.raises(ModelLoadError, match="symbolic link"):
        check_external_data(save(tmp_path / "m.onnx", "soft.bin"))
    os.link(secret, tmp_path / "hard.bin")
    with pytest.raises(ModelLoadError, match="hard links"):
        check_external_data(save(tmp_path / "m.onnx", "hard.bin"))


def test_a_linked_folder_is_refused(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "w.bin").write_bytes(WEIGHTS.tobytes())
    (tmp_path / "data").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ModelLoadError, match="through a link"):
        check_external_data(save(tmp_path / "m.onnx", "data/w.bin"))


def test_every_place_that_can_hold_a_tensor_is_searched(tmp_path):
    inner = helper.make_graph([], "inner", [], [], [external("a", "subgraph")])
    sparse = onnx.SparseTensorProto(values=external("b", "sparse"), indices=external("c", "indices"), dims=[9])
    nodes = [
        helper.make_node("Constant", [], ["c"], value=external("d", "attribute")),
        helper.make_node("If", ["x"], ["y"], then_branch=inner, else_branch=helper.make_graph([], "e", [], [])),
    ]
    graph = helper.make_graph(nodes, "g", [], [], [external("w", "initializer")], sparse_initializer=[sparse])
    graph.node[0].attribute.append(helper.make_attribute("many", [external("t", "tensors")]))
    graph.node[0].attribute.append(
        helper.make_attribute("graphs", [helper.make_graph([], "h", [], [], [external("g", "graphs")])])
    )
    function = helper.make_function(
        "d", "f", [], ["z"], [helper.make_node("Constant", [], ["z"], value=external("e", "function"))], []
    )
    model = helper.make_model(graph, functions=[function])
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    assert locations(tmp_path / "m.onnx") == {
        "subgraph", "sparse", "indices", "attribute", "initializer", "tensors", "graphs", "function",
    }  # fmt: skip
