import os

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from streamapp.errors import ContractError, InferenceError, ModelLoadError
from streamapp.infer.onnx import load
from streamapp.infer.rows import free_rows
from streamapp.protocols import RuntimeOptions, Signature, TensorSpec
from streamapp.testing import check_runtime

CPU = RuntimeOptions(device="cpu")
SAMPLE = np.random.default_rng(1).normal(size=(50, 3)).astype(np.float32)


def test_signature_and_scores(save_model, weights):
    runtime = load(save_model(), CPU)
    assert runtime.signature == Signature(
        (TensorSpec("x", "float32", (None, 3)),), (TensorSpec("p", "float32", (None, 2)),)
    )
    expected = np.exp(SAMPLE @ weights)
    found = runtime.infer({"x": SAMPLE})["p"]
    np.testing.assert_allclose(found, expected / expected.sum(axis=1, keepdims=True), rtol=1e-5)


@pytest.mark.parametrize("rows", ["n", 1, 4])
def test_conformance(save_model, rows):
    check_runtime(load(save_model(rows=rows), CPU), {"x": SAMPLE})


def test_a_fixed_batch_axis_is_chunked(save_model):
    free = load(save_model("free.onnx"), CPU).infer({"x": SAMPLE})["p"]
    fixed = free_rows(load(save_model("fixed.onnx", rows=8), CPU)).infer({"x": SAMPLE})["p"]
    np.testing.assert_allclose(fixed, free, rtol=1e-6)


def test_a_bad_input_is_an_inference_error(save_gather):
    runtime = load(save_gather(), CPU)
    with pytest.raises(InferenceError, match="out of data bounds"):
        runtime.infer({"i": np.array([0, 9])})


@pytest.mark.parametrize("content", [b"", b"not a model", b"\x80\x04\x95garbage", b"{}"])
def test_what_is_not_onnx_is_refused(tmp_path, content):
    path = tmp_path / "m.onnx"
    path.write_bytes(content)
    with pytest.raises(ModelLoadError, match="not an ONNX model"):
        load(path, CPU)


def test_a_truncated_model_is_refused(save_model):
    path = save_model()
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(ModelLoadError, match=r"not an ONNX model|cannot load"):
        load(path, CPU)


def test_a_model_of_unknown_operators_is_refused(tmp_path):
    graph = helper.make_graph(
        [helper.make_node("Nonsense", ["x"], ["y"], domain="odd")],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n"])],
    )
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("odd", 1)], ir_version=9), tmp_path / "m.onnx"
    )
    with pytest.raises(ModelLoadError, match="ONNX Runtime cannot load it"):
        load(tmp_path / "m.onnx", CPU)


def test_absent_and_linked_files_are_refused(save_model, tmp_path):
    with pytest.raises(ModelLoadError, match="no such file"):
        load(tmp_path / "absent.onnx", CPU)
    os.link(save_model(), tmp_path / "hard.onnx")
    with pytest.raises(ModelLoadError, match="hard links"):
        load(tmp_path / "hard.onnx", CPU)


@pytest.mark.parametrize(("device", "has_cuda"), [("cuda", False), ("cuda:1", False)])
def test_cuda_without_cuda_says_what_to_install(save_model, device, has_cuda):
    assert ("CUDAExecutionProvider" in onnxruntime.get_available_providers()) is has_cuda
    with pytest.raises(ModelLoadError, match=r"streamapp\[gpu\]"):
        load(save_model(), RuntimeOptions(device=device))


def test_auto_takes_the_cpu_where_there_is_no_cuda(save_model):
    assert len(load(save_model(), RuntimeOptions(device="auto")).infer({"x": SAMPLE})["p"]) == 50


@pytest.fixture(scope="module")
def trained():
    from sklearn.compose import ColumnTransformer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    rows = np.array([["AA", 1.0], ["UA", 2.0], ["AA", 3.0], ["DL", 4.0]] * 5, dtype=object)
    columns = ColumnTransformer([("c", OneHotEncoder(handle_unknown="ignore"), [0]), ("n", "passthrough", [1])])
    return make_pipeline(columns, LogisticRegression()).fit(rows, [0, 1, 0, 1] * 5)


def exported(trained, path, zipmap):
    from skl2onnx import to_onnx
    from skl2onnx.common.data_types import FloatTensorType, StringTensorType

    types = [("carrier", StringTensorType([None, 1])), ("distance", FloatTensorType([None, 1]))]
    model = to_onnx(trained, initial_types=types, options={"zipmap": zipmap}, target_opset=17)
    path.write_bytes(model.SerializeToString())
    return path


def test_a_scikit_learn_pipeline_takes_strings(trained, tmp_path):
    runtime = load(exported(trained, tmp_path / "m.onnx", False), CPU)
    assert [spec.dtype for spec in runtime.signature.inputs] == ["str", "float32"]
    inputs = {
        "carrier": np.array([["AA"], ["UA"], [""], ["naïve"]], object),
        "distance": np.array([[1], [2], [3], [4]], np.float32),
    }
    expected = trained.predict_proba(np.concatenate([inputs["carrier"], inputs["distance"].astype(object)], axis=1))
    np.testing.assert_allclose(runtime.infer(inputs)["probabilities"], expected, rtol=1e-4)
    check_runtime(runtime, inputs)


def test_zipmap_outputs_say_how_to_export(trained, tmp_path):
    with pytest.raises(ContractError, match=r"ZipMap.*options=\{'zipmap': False\}"):
        load(exported(trained, tmp_path / "m.onnx", True), CPU)


def test_an_in_place_looking_identity_does_not_share_memory_between_batches(tmp_path):
    graph = helper.make_graph(
        [helper.make_node("Identity", ["x"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.DOUBLE, ["n"])],
        [helper.make_tensor_value_info("y", TensorProto.DOUBLE, ["n"])],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), tmp_path / "m.onnx")
    check_runtime(load(tmp_path / "m.onnx", CPU), {"x": np.arange(9.0)})
