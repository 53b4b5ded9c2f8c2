"""The GPU paths. Left out where there is no GPU, unless STREAMAPP_REQUIRE_CUDA=1; then they must pass."""

import hashlib

import numpy as np
import pytest

from streamapp.protocols import RuntimeOptions, Signature, TensorSpec
from streamapp.testing import check_runtime

pytestmark = [
    pytest.mark.torch,
    pytest.mark.cuda,
    pytest.mark.filterwarnings("ignore:`torch.jit.load` is deprecated"),
]

DECLARED = Signature(
    (TensorSpec("x", "float32", (None, 4)),),
    tuple(TensorSpec(name, "float32", (None, 2)) for name in ("probabilities", "logits")),
)


@pytest.mark.parametrize("device", ["cuda", "cuda:0", "auto"])
def test_torchscript(script, network, sample, expected, device):
    from streamapp.infer.torch import TorchModel, load_torchscript
    from streamapp.infer.torch_transfer import CudaTransfer

    runtime = load_torchscript(script(network), RuntimeOptions(device, signature=DECLARED))
    assert isinstance(runtime, TorchModel)
    assert isinstance(runtime._transfer, CudaTransfer)
    np.testing.assert_allclose(runtime.infer({"x": sample})["probabilities"], expected, rtol=1e-3, atol=1e-4)
    check_runtime(runtime, {"x": sample}, rtol=1e-3, atol=1e-4)


def test_exported(export, network, sample, expected):
    import torch

    from streamapp.infer.torch import load_exported

    path = export(network, (torch.zeros(3, 4),), shapes={"x": {0: torch.export.Dim("rows")}})
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    runtime = load_exported(path, RuntimeOptions("cuda", sha256=digest))
    found = runtime.infer({"x": sample})[runtime.signature.outputs[0].name]
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)
    check_runtime(runtime, {"x": sample}, rtol=1e-3, atol=1e-4)


def test_staging_buffers_are_pinned_kept_and_grown():
    import torch

    from streamapp.infer.torch_transfer import CudaTransfer

    transfer = CudaTransfer(torch.device("cuda"))
    for rows in (4, 2, 9, 1000, 3):
        values = np.arange(rows, dtype=np.float32)
        assert transfer.run({"x": values}, lambda inputs: {"y": inputs["x"] * 2})["y"].tolist() == (values * 2).tolist()
    assert transfer._staging["in:x"].is_pinned()
    assert transfer._staging["in:x"].numel() == 1000


def test_onnx(save_onnx, sample):
    from streamapp.infer.onnx import CudaSession, load

    runtime = load(save_onnx, RuntimeOptions("cuda"))
    assert isinstance(runtime, CudaSession)
    np.testing.assert_allclose(runtime.infer({"x": sample})["y"], sample + sample, rtol=1e-5)
    check_runtime(runtime, {"x": sample})


@pytest.fixture
def save_onnx(tmp_path):
    import onnx
    from onnx import TensorProto, helper

    graph = helper.make_graph(
        [helper.make_node("Add", ["x", "x"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 4])],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), tmp_path / "m.onnx")
    return tmp_path / "m.onnx"
