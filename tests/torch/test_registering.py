"""TorchScript and torch.export into the registry, and from there into a pipeline. Each trial starts a process that
imports torch, so one test asks several things."""

import shutil
from pathlib import Path

import pytest

from streamapp.control.artefacts import RegistryArtefacts
from streamapp.errors import ContractError, ModelLoadError
from streamapp.models import Registry
from streamapp.pipeline import Pipeline
from streamapp.protocols import Signature, TensorSpec
from streamapp.registering.found import Refused
from streamapp.registering.importing import find, import_all
from streamapp.registering.register import Claim, Trial, register
from streamapp.registering.trial import Limits
from streamapp.testing import ManualClock
from tests.onnx_models import onnx_model
from tests.serving_plans import plan, records, settings
from tests.torch.bombs import Bomb

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore:`torch.jit.load` is deprecated")]

INPUT = TensorSpec("x", "float32", (None, 4))
OUTPUTS = tuple(TensorSpec(name, "float32", (None, 2)) for name in ("probabilities", "logits"))
DECLARED = Signature((INPUT,), OUTPUTS)
TRUSTED = Trial(trusted=True)
PLAIN = Trial()


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    (tmp_path / "registry").mkdir()
    return Registry(tmp_path / "registry")


@pytest.fixture
def attempt(registry):
    def run(path: Path, trial: Trial = PLAIN, **claim):
        given = Claim(**{"model": "fraud", "version": "1", "declared": DECLARED, **claim})
        return register(registry, path, given, trial, "ana", ManualClock()).manifest

    return run


@pytest.fixture
def bring(registry):
    """Import, and what became of it: the manifest, or the reason why not."""

    def run(source: Path, trial: Trial = PLAIN, declared: Signature | None = None, named=(None, None)):
        (done,) = import_all(registry, find(source, *named), declared, trial, "ana", ManualClock())
        return done.reason if isinstance(done, Refused) else done.manifest

    return run


def test_torchscript_is_registered_with_what_was_declared(attempt, registry, script, network, tmp_path):
    path = script(network)
    manifest = attempt(path)
    assert (manifest.runtime, manifest.artefact, manifest.signature) == ("torchscript", "model.pt", DECLARED)
    assert registry.verify("fraud", "1") == manifest
    assert registry.fetch("fraud", "1", tmp_path / "cache").read_bytes() == path.read_bytes()


@pytest.mark.parametrize(
    ("declared", "kind", "said"),
    [
        (None, ModelLoadError, "TorchScript carries no signature; declare it: --input"),
        (Signature((INPUT,), OUTPUTS[:1]), ContractError, r"returned \(Tensor, Tensor\), but .* as probabilities"),
        (Signature((TensorSpec("y", "float32", (None, 4)),), OUTPUTS), ContractError, r"forward takes \(x\)"),
        (Signature((TensorSpec("x", "float32", (None, 5)),), OUTPUTS), ModelLoadError, "fails for the sample"),
        (
            Signature((INPUT,), (OUTPUTS[0], TensorSpec("logits", "float64", (None, 2)))),
            ContractError,
            r"1 rows in, but output `logits` is float32\[1,2\], not logits:float64",
        ),
    ],
    ids=["none", "outputs", "names", "shape", "dtype"],
)
def test_a_signature_that_is_not_the_models_is_refused(attempt, registry, script, network, declared, kind, said):
    with pytest.raises(kind, match=said):
        attempt(script(network), declared=declared)
    assert registry.models() == ()


def test_an_exported_program_needs_trust_and_brings_its_signature(attempt, registry, export, network):
    import torch

    path = export(network, (torch.zeros(3, 4),), shapes={"x": {0: torch.export.Dim("rows")}})
    with pytest.raises(ModelLoadError, match="--trust"):
        attempt(path, declared=None)
    assert registry.models() == ()
    manifest = attempt(path, TRUSTED, declared=None)
    assert (manifest.runtime, manifest.inputs) == ("torch_export", (INPUT,))
    assert [spec.shape for spec in manifest.outputs] == [(None, 2), (None, 2)]
    named = attempt(path, TRUSTED, version="2", declared=Signature((), OUTPUTS))
    assert named.outputs == OUTPUTS


CONFIG = """
platform: "pytorch_libtorch"
max_batch_size: 64
input [ { name: "x" data_type: TYPE_FP32 dims: [ 4 ] } ]
output [ { name: "probabilities" data_type: TYPE_FP32 dims: [ 2 ] },
         { name: "logits" data_type: TYPE_FP32 dims: [ 2 ] } ]
"""


def test_a_triton_repository_says_the_signature_of_torchscript(bring, registry, script, network, tmp_path):
    version = tmp_path / "repo/fraud/3"
    version.mkdir(parents=True)
    shutil.copy(script(network), version / "model.pt")
    config = tmp_path / "repo/fraud/config.pbtxt"
    config.write_text(CONFIG.replace('name: "x"', 'name: "INPUT__0"'))
    assert "forward takes (x)" in bring(tmp_path / "repo")
    assert bring(tmp_path / "repo", declared=DECLARED).signature == DECLARED
    config.write_text(CONFIG)
    version.rename(version.with_name("4"))
    manifest = bring(tmp_path / "repo")
    assert (manifest.version, manifest.runtime, manifest.signature) == ("4", "torchscript", DECLARED)
    assert manifest.source == "repository fraud/4"
    assert registry.versions("fraud") == ("3", "4")


def test_a_triton_repository_with_an_exported_program(bring, export, network, tmp_path):
    import torch

    version = tmp_path / "repo/fraud/1"
    version.mkdir(parents=True)
    exported = export(network, (torch.zeros(3, 4),), shapes={"x": {0: torch.export.Dim("rows")}})
    shutil.copy(exported, version / "model.pt2")
    config = tmp_path / "repo/fraud/config.pbtxt"
    config.write_text(CONFIG.replace("dims: [ 4 ]", "dims: [ 5 ]"))
    assert "--trust" in bring(tmp_path / "repo")
    assert "input x:float32[rows,5] there, x:float32[rows,4] in the model" in bring(tmp_path / "repo", TRUSTED)
    config.write_text(CONFIG)
    assert bring(tmp_path / "repo", TRUSTED, Signature((), OUTPUTS)).outputs == OUTPUTS


MLMODEL = """
flavors:
  pytorch: {model_data: data, pytorch_version: "2.8"}
  python_function: {loader_module: mlflow.pytorch}
run_id: 0123abcd
signature:
  inputs: '[{"name": "x", "type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1, 4]}}]'
  outputs: '[{"name": "probabilities", "type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1, 2]}},
             {"name": "logits", "type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1, 2]}}]'
"""


def test_an_mlflow_folder_with_a_scripted_module(bring, registry, script, network, tmp_path):
    import torch

    folder = tmp_path / "logged"
    (folder / "data").mkdir(parents=True)
    (folder / "MLmodel").write_text(MLMODEL)
    shutil.copy(script(network), folder / "data/model.pth")
    manifest = bring(folder, named=("fraud", "1"))
    assert (manifest.runtime, manifest.artefact, manifest.signature) == ("torchscript", "model.pth", DECLARED)
    assert manifest.source == "mlflow run 0123abcd"
    torch.save(Bomb(tmp_path / "trace"), folder / "data/model.pth")
    with pytest.raises(ModelLoadError, match="is a pickled module"):
        find(folder, "fraud", "2")
    assert not (tmp_path / "trace").exists()


def test_a_bare_file_is_imported(bring, script, network):
    path = script(network)
    assert "declare it: --input" in bring(path, named=("fraud", "1"))
    manifest = bring(path, declared=DECLARED, named=("fraud", "1"))
    assert (manifest.runtime, manifest.source) == ("torchscript", "TorchScript model.pt")


def test_what_torch_save_writes_is_refused_and_no_code_of_it_runs(attempt, bring, registry, tmp_path):
    import torch

    path = tmp_path / "model.pt"
    for legacy in (False, True):
        torch.save(Bomb(tmp_path / "trace"), path, _use_new_zipfile_serialization=not legacy)
        with pytest.raises(ModelLoadError, match="pickle; refused"):
            attempt(path, TRUSTED)
        assert "pickle; refused" in bring(path, TRUSTED, DECLARED, ("fraud", "1"))
        with pytest.raises(ModelLoadError, match=r"not a torch\.export archive|pickle; refused"):
            attempt(path, TRUSTED, runtime="torch_export")
    assert not (tmp_path / "trace").exists()
    assert registry.models() == ()


def test_torchscript_that_writes_files_is_refused_and_writes_nothing(attempt, registry, script, tmp_path):
    import torch

    class Writes(torch.nn.Module):
        def __init__(self, path: str) -> None:
            super().__init__()
            self.path = path

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            torch.save(x, self.path)
            return x

    single = Signature((INPUT,), (TensorSpec("y", "float32", (None, 4)),))
    with pytest.raises(ModelLoadError, match="its code names `save`, with which TorchScript opens files; refused"):
        attempt(script(Writes(str(tmp_path / "written"))), declared=single)
    assert not (tmp_path / "written").exists()
    assert registry.models() == ()


def restored(forever: bool):
    """A module whose state takes for ever, or more memory than there is, to restore: torch runs that while it loads."""
    import torch

    class Restored(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.n = 1
            self.forever = forever
            self.held = torch.ones(1)

        @torch.jit.export
        def __getstate__(self) -> tuple[int, bool]:
            return self.n, self.forever

        @torch.jit.export
        def __setstate__(self, state: tuple[int, bool]) -> None:
            self.n, self.forever = state
            self.training = False
            while self.forever and self.n > 0:
                self.n = self.n + 0
            self.held = torch.ones(1 << 40)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x + self.held

    return Restored()


def test_a_load_that_hangs_or_takes_all_the_memory_is_a_refusal(attempt, registry, script):
    single = Signature((INPUT,), (TensorSpec("y", "float32", (None, 4)),))
    for forever, limits, said in (
        (True, Limits(time_s=10), "could not be loaded within 10 s and was stopped"),
        (False, Limits(), "needs more than 8 GiB to be loaded"),
    ):
        with pytest.raises(ModelLoadError, match=said):
            attempt(script(restored(forever)), Trial(limits=limits), declared=single)
    assert registry.models() == ()


def test_a_damaged_archive_is_refused(attempt, registry, script, network):
    path = script(network)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ModelLoadError, match="is no TorchScript"):
        attempt(path)
    place = whole.index(b"data/0") + 200
    path.write_bytes(whole[:place] + bytes(200) + whole[place + 200 :])
    with pytest.raises(ModelLoadError, match=r"code cannot be read|torch cannot load it"):
        attempt(path)
    assert registry.models() == ()


def plus(bias: float):
    """x (rows, 1) -> x + bias."""
    import torch

    class Plus(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.bias = bias

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x + self.bias

    return Plus()


SUM = Signature((TensorSpec("x", "float32", (None, 1)),), (TensorSpec("y", "float32", (None, 1)),))


@pytest.fixture
def versions(registry, attempt, script, export) -> Registry:
    """Of `m`: 2 is TorchScript, 3 an exported program."""
    import torch

    attempt(script(plus(20.0)), model="m", version="2", declared=SUM)
    shapes = {"x": {0: torch.export.Dim("rows")}}
    exported = export(plus(30.0), (torch.zeros(3, 1),), shapes=shapes)
    attempt(exported, TRUSTED, model="m", version="3", declared=Signature((), SUM.outputs))
    return registry


def test_they_are_served_beside_an_onnx_champion_and_go_again(versions, tmp_path):
    for model in "mo":
        (tmp_path / f"{model}-1.onnx").write_bytes(onnx_model(10.0))
    source = RegistryArtefacts(versions, tmp_path / "cache")
    with Pipeline.build(settings(ending=".onnx"), tmp_path, source) as pipeline:
        builder = pipeline.builder

        def scores(revision: int, served: dict[str, str], shares=(1, 0, 0, 0)) -> set[tuple[str, float]]:
            replaced = pipeline.serve(builder.build(plan(revision, served, shares)))
            scored = pipeline.score(pipeline.prepare(records(400, revision * 400)))
            replaced.inferrer.close()
            assert not scored.failures
            return {
                (scored.variants[i].model_version, float(value))
                for i, block in enumerate(scored.scores)
                for value in block.values[:, 0]
            }

        assert scores(1, {"main": "1", "main-canary": "2"}, (1, 0, 1, 0)) == {("1", 12.0), ("2", 22.0)}
        assert scores(2, {"main": "2", "main-canary": "1"}) == {("2", 22.0)}
        assert scores(3, {"main": "2", "main-canary": "3"}, (1, 0, 1, 0)) == {("2", 22.0), ("3", 32.0)}
        assert scores(4, {"main": "1", "main-canary": "2"}) == {("1", 12.0)}
        assert builder.retire(plan(4, {"main": "1", "main-canary": "2"}))
        assert {(key.wiring, key.version) for key in builder.loaded} == {("main", "1"), ("other", "1"), ("main", "2")}
