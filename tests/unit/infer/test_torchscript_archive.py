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
    _3 = self.ops.torch
    x = ops.quantized.linear(x, _0.p, 1., 0)
    if ops.prim.is_cuda(x):
      _1 = __torch__.torch.classes.quantized.LinearPackedParamsBase.unpack(_0.p)
      _2 = __torch__.torch.nn.functional.relu(torch.add(x, CONSTANTS.c0))
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


@pytest.mark.parametrize(
    ("call", "named"),
    [
        ('ops.image.read_file("f")', "ops.image.read_file"),
        ('ops.c10d.send([x], g, 0, 0)', "ops.c10d.send"),
        ('ops._c10d_functional.all_reduce(x, "sum", "g")', "ops._c10d_functional.all_reduce"),
        ('o = ops\n    o.image.read_file("f")', "ops"),
        ('i = ops.image\n    i.read_file("f")', "ops.image"),
        ('i = ops.prim\n    i.Print(x)', "ops.prim"),
        ('getattr(ops, "image").read_file("f")', "ops"),
        ('[ops][0].image.read_file("f")', "ops"),
        ('t = torch\n    t.add(x, x)', "torch"),
        ('torch.ops.image.read_file("f")', "torch.ops.image.read_file"),
        ('__torch__.torch.classes.dist_rpc.WorkerInfo("w", 1)', "__torch__.torch.classes.dist_rpc.WorkerInfo"),
        ('c = __torch__.torch.classes\n    c.dist_rpc.WorkerInfo("w", 1)', "__torch__.torch.classes"),
        ('c = __torch__.torch\n    c.classes.dist_rpc.WorkerInfo("w", 1)', "__torch__.torch"),
        ('c = __torch__\n    c.torch.classes.dist_rpc.WorkerInfo("w", 1)', "__torch__"),
    ],
)  # fmt: skip
def test_only_what_computes_is_named_and_nothing_is_given_another_name(archive, call, named):
    with pytest.raises(ModelLoadError, match=rf"names `{named}`, which is none of the operators and types that comp"):
        check_code(archive(call))


@pytest.mark.parametrize("call", ['ops.prim.PythonOp("f")', 'y = rpc_async("w", f, (x,))', 'ops.prim.rpc_sync("w", f)'])
def test_a_call_that_leaves_the_process_is_refused(archive, call):
    with pytest.raises(ModelLoadError, match="with which TorchScript calls others; refused"):
        check_code(archive(call))


def test_an_operator_that_another_torch_has_is_refused_by_its_name(archive):
    check_code(archive('torch.load_tensor("f")'))
    with pytest.raises(ModelLoadError, match="names `load_tensor`, with which TorchScript opens files"):
        check_code(archive('torch.load_tensor("f")'), frozenset({"load_tensor"}))


def test_what_cannot_be_read_is_refused(archive):
    with pytest.raises(ModelLoadError, match="cannot be read"):
        check_code(archive("x = ="))
    with pytest.raises(ModelLoadError, match="ambiguous"):
        check_code(archive("y = x", "model/code/__TORCH__.py"))
