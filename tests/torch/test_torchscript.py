import numpy as np
import pytest

from streamapp.errors import ContractError, InferenceError, ModelLoadError
from streamapp.protocols import RuntimeOptions, Signature, TensorSpec
from streamapp.testing import check_runtime
from tests.torch.bombs import Bomb

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore:`torch.jit.load` is deprecated")]

INPUT = TensorSpec("x", "float32", (None, 4))
OUTPUTS = tuple(TensorSpec(name, "float32", (None, 2)) for name in ("probabilities", "logits"))
DECLARED = Signature((INPUT,), OUTPUTS)
CPU = RuntimeOptions(device="cpu", signature=DECLARED)


def load(path, options=CPU):
    from streamapp.infer.torch import load_torchscript

    return load_torchscript(path, options)


def test_scores(script, network, sample, expected):
    runtime = load(script(network))
    assert runtime.signature == DECLARED
    np.testing.assert_allclose(runtime.infer({"x": sample})["probabilities"], expected, rtol=1e-5)


def test_conformance(script, network, sample):
    check_runtime(load(script(network)), {"x": sample})


def test_a_model_that_works_in_place_does_not_touch_the_batch(script, sample):
    import torch

    class InPlace(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.mul_(2)

    single = Signature((INPUT,), (TensorSpec("y", "float32", (None, 4)),))
    check_runtime(load(script(InPlace()), RuntimeOptions("cpu", signature=single)), {"x": sample})


def test_a_dict_is_read_by_its_keys(script, sample):
    import torch

    class Named(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
            return {"other": x, "probabilities": x + 1, "logits": x + 2}

    found = load(script(Named())).infer({"x": sample})
    np.testing.assert_allclose(found["probabilities"], sample + 1)
    np.testing.assert_allclose(found["logits"], sample + 2)


def test_too_few_outputs_are_a_contract_error(script, sample):
    import torch

    class One(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x

    with pytest.raises(
        ContractError, match=r"returned \(Tensor\), but its outputs are declared as probabilities, logits"
    ):
        load(script(One())).infer({"x": sample})


def test_two_inputs_are_passed_by_name_whatever_their_order(script, sample):
    import torch

    class Minus(torch.nn.Module):
        def forward(self, a: torch.Tensor, b: torch.Tensor, scale: float = 1.0) -> torch.Tensor:
            return (a - b) * scale

    inputs = tuple(TensorSpec(name, "float32", (None, 4)) for name in "ba")
    runtime = load(script(Minus()), RuntimeOptions("cpu", signature=Signature(inputs, OUTPUTS[:1])))
    np.testing.assert_allclose(runtime.infer({"b": sample, "a": 3 * sample})["probabilities"], 2 * sample, rtol=1e-5)


@pytest.mark.parametrize("names", [("y",), ("x", "y"), ()])
def test_inputs_must_be_the_arguments_of_forward(script, network, names):
    inputs = tuple(TensorSpec(name, "float32", (None, 4)) for name in names)
    with pytest.raises((ContractError, ModelLoadError), match=r"forward takes \(x\)|signature_inputs"):
        load(script(network), RuntimeOptions("cpu", signature=Signature(inputs, OUTPUTS)))


def test_without_a_declared_signature_it_says_what_to_declare(script, network):
    with pytest.raises(ModelLoadError, match="signature_inputs"):
        load(script(network), RuntimeOptions("cpu"))


def test_a_wrong_shape_is_an_inference_error(script, network):
    with pytest.raises(InferenceError, match="RuntimeError"):
        load(script(network)).infer({"x": np.zeros((2, 5), np.float32)})


def test_pickles_are_refused_and_never_opened(tmp_path):
    import torch

    torch.save(Bomb(tmp_path / "trace"), tmp_path / "m.pt")
    with pytest.raises(ModelLoadError, match="not a TorchScript file"):
        load(tmp_path / "m.pt")
    assert not (tmp_path / "trace").exists()


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore:torch.quantize_per_tensor:UserWarning")
@pytest.mark.parametrize("kind", ["scripted", "frozen", "traced", "quantized", "optimized"])
def test_what_torch_writes_is_what_computes(tmp_path, kind):
    import torch

    from streamapp.infer.torchscript_archive import check_code

    class Many(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear, self.lstm = torch.nn.Linear(3, 3), torch.nn.LSTM(3, 4)

        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, bool, str]:
            forked = torch.jit.fork(self.linear, x)
            states, _ = self.lstm(x.unsqueeze(0))
            with torch.profiler.record_function("named"):
                waited = torch.jit.wait(forked)
            return (
                waited.sum() + states.sum() + torch.zeros(2, device=x.device, dtype=x.dtype),
                x.is_cuda,
                str(x.size()),
            )

    plain = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.Sigmoid()).eval()
    modules = {
        "scripted": lambda: torch.jit.script(Many()),
        "frozen": lambda: torch.jit.freeze(torch.jit.script(Many().eval())),
        "traced": lambda: torch.jit.trace(plain, torch.ones(2, 3)),
        "quantized": lambda: torch.jit.script(torch.ao.quantization.quantize_dynamic(plain, {torch.nn.Linear})),
        "optimized": lambda: torch.jit.optimize_for_inference(torch.jit.script(plain)),
    }
    torch.jit.save(modules[kind](), str(tmp_path / "model.pt"))
    check_code(tmp_path / "model.pt")


def test_no_operator_of_this_torch_that_opens_files_is_overlooked():
    import torch

    from streamapp.infer.torch import _file_operators
    from streamapp.infer.torchscript_archive import OPENS_FILES, OPERATORS

    assert _file_operators() >= OPENS_FILES
    known = {schema.name.partition("::")[0] for schema in torch._C._jit_get_all_schemas()}
    assert known - OPERATORS >= {"c10d", "_c10d_functional"}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_an_operator_of_another_namespace_is_refused(tmp_path):
    import torch

    class Foreign(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.ops._test.leaky_relu(x, 0.1)

    torch.jit.save(torch.jit.script(Foreign()), str(tmp_path / "model.pt"))
    with pytest.raises(ModelLoadError, match=r"names `ops\._test\.leaky_relu`, which is none of the operators"):
        load(tmp_path / "model.pt")


def test_a_cuda_device_that_is_not_there_is_refused(script, network):
    with pytest.raises(ModelLoadError, match="CUDA devices"):
        load(script(network), RuntimeOptions("cuda:99", signature=DECLARED))


def test_threads_hold_for_the_process(script, network):
    import torch

    before = torch.get_num_threads()
    load(script(network), RuntimeOptions("cpu", threads=2, signature=DECLARED))
    assert torch.get_num_threads() == 2
    load(script(network), RuntimeOptions("cpu", threads=0, signature=DECLARED))
    assert torch.get_num_threads() == 2
    torch.set_num_threads(before)
