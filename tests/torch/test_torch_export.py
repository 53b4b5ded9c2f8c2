import hashlib
import io
import zipfile

import numpy as np
import pytest

from streamapp.errors import ContractError, ModelLoadError
from streamapp.infer.rows import free_rows
from streamapp.protocols import RuntimeOptions, Signature, TensorSpec
from streamapp.testing import check_runtime
from tests.torch.bombs import Bomb

pytestmark = pytest.mark.torch


def load(path, **options):
    from streamapp.infer.torch import load_exported

    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return load_exported(path, RuntimeOptions("cpu", sha256=digest, **options))


def rows(name="rows", **limits):
    import torch

    return {"x": {0: torch.export.Dim(name, **limits)}}


def some(count):
    import torch

    return (torch.zeros(count, 4),)


def test_signature_and_scores(export, network, sample, expected):
    runtime = load(export(network, some(3), shapes=rows()))
    assert runtime.signature.inputs == (TensorSpec("x", "float32", (None, 4)),)
    assert [spec.shape for spec in runtime.signature.outputs] == [(None, 2), (None, 2)]
    first = runtime.signature.outputs[0].name
    np.testing.assert_allclose(runtime.infer({"x": sample})[first], expected, rtol=1e-5)


def test_outputs_may_be_renamed(export, network):
    declared = tuple(TensorSpec(name, "float32", (None, 2)) for name in ("probabilities", "logits"))
    runtime = load(export(network, some(3), shapes=rows()), signature=Signature((), declared))
    assert [spec.name for spec in runtime.signature.outputs] == ["probabilities", "logits"]
    with pytest.raises(ContractError, match="has 2 outputs, `signature_outputs` names 1"):
        load(export(network, some(3), shapes=rows()), signature=Signature((), declared[:1]))


@pytest.mark.parametrize("limits", [{}, {"min": 4, "max": 64}, {"max": 7}])
def test_conformance_within_the_exported_limits(export, network, sample, limits):
    check_runtime(load(export(network, some(5), shapes=rows(**limits))), {"x": sample})


def test_a_fixed_batch_is_chunked(export, network, sample, expected):
    runtime = load(export(network, some(8)))
    assert runtime.signature.inputs[0].shape == (8, 4)
    free = free_rows(runtime)
    np.testing.assert_allclose(
        free.infer({"x": sample})[free.signature.outputs[0].name], expected, rtol=1e-4, atol=1e-6
    )
    check_runtime(runtime, {"x": sample})


def test_keyword_arguments_and_a_dict_of_outputs(export, sample):
    import torch

    class Named(torch.nn.Module):
        def forward(self, a, *, b):
            return {"sum": a + b, "difference": a - b}

    dim = torch.export.Dim("rows")
    path = export(Named(), some(3), {"b": torch.zeros(3, 4)}, shapes={"a": {0: dim}, "b": {0: dim}})
    runtime = load(path)
    found = runtime.infer({"b": sample, "a": 3 * sample})
    np.testing.assert_allclose(found["difference"], 2 * sample, rtol=1e-5)
    check_runtime(runtime, {"a": sample, "b": sample})


def test_lists_of_tensors_are_refused(export):
    import torch

    class Nested(torch.nn.Module):
        def forward(self, xs):
            return xs[0] + xs[1]

    with pytest.raises(ContractError, match="not lists or dicts"):
        load(export(Nested(), ([torch.zeros(3, 4), torch.zeros(3, 4)],)))


def test_without_a_pin_it_is_not_opened(export, network):
    from streamapp.infer.torch import load_exported

    with pytest.raises(ModelLoadError, match=r"can run code.*model\.sha256"):
        load_exported(export(network, some(3)), RuntimeOptions("cpu"))


@pytest.mark.parametrize(
    "entry", ["data/sample_inputs/model.pt", "data/weights/model.pt", "data/constants/opaque_obj_0"]
)
def test_pickles_inside_are_refused_and_never_opened(export, network, tmp_path, entry):
    import torch

    path = export(network, some(3))
    bomb = io.BytesIO()
    torch.save(Bomb(tmp_path / "trace"), bomb)
    with zipfile.ZipFile(path) as source:
        content = {name: source.read(name) for name in source.namelist()}
    root = next(iter(content)).partition("/")[0]
    content[f"{root}/{entry}"] = bomb.getvalue()
    with zipfile.ZipFile(path, "w") as target:
        for name, data in content.items():
            target.writestr(name, data)
    with pytest.raises(ModelLoadError, match="refused"):
        load(path)
    assert not (tmp_path / "trace").exists()


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"nonsense"])
def test_what_is_no_archive_is_refused(tmp_path, content):
    (tmp_path / "m.pt2").write_bytes(content)
    with pytest.raises(ModelLoadError, match=r"not a torch\.export archive"):
        load(tmp_path / "m.pt2")
