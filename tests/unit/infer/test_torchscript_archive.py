"""Archives as `torch.jit.save` lays them out, without torch. Each call below writes a file in torch 2.13."""

import zipfile
from pathlib import Path

import pytest

from streamapp.errors import ModelLoadError
from streamapp.infer.torchscript_archive import check_code, is_torchscript

MODULE = """
class M(Module):
  __parameters__ = ["w", ]
  w : Tensor
  def forward(self: __torch__.M,
    x: Tensor) -> Tensor:
    _0 = getattr(self, "0")
    d = {"save": x}
    BODY
    return torch.matmul(x, d["save"])
"""


@pytest.fixture
def archive(tmp_path: Path):
    def write(body: str = "y = x", *more: str) -> Path:
        path = tmp_path / "model.pt"
        with zipfile.ZipFile(path, "w") as target:
            target.writestr("model/constants.pkl", b"")
            target.writestr("model/code/__torch__.py", MODULE.replace("BODY", body))
            for name in more:
                target.writestr(name, b"")
        return path

    return write


def test_a_module_that_computes_passes(archive):
    assert is_torchscript(archive())
    check_code(archive())


@pytest.mark.parametrize(
    "call",
    [
        'torch.save(x, "f")',
        'ops.aten.save(x, "f")',
        'torch.from_file("f", True, 16)',
        't = torch\n    t.save(x, "f")',
        'getattr(torch, "save")(x, "f")',
        'getattr(torch, "s\\141ve")(x, "f")',
        'getattr(torch, "sa" "ve")(x, "f")',
        'g = getattr\n    g(torch, "save")(x, "f")',
        'torch.\\\n      save(x, "f")',
    ],
)
def test_a_call_that_opens_files_is_refused_however_it_is_written(archive, call):
    with pytest.raises(ModelLoadError, match="with which TorchScript opens files; refused"):
        check_code(archive(call))


def test_what_cannot_be_read_is_refused(archive):
    with pytest.raises(ModelLoadError, match="cannot be read"):
        check_code(archive("x = ="))
    with pytest.raises(ModelLoadError, match="ambiguous"):
        check_code(archive("y = x", "model/code/__TORCH__.py"))
