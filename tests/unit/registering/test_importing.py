import json
import os
import pickle
import re
import zipfile
from pathlib import Path

import pytest

from streamapp.errors import ConfigError, ModelLoadError, RegistryError, StreamappError
from streamapp.protocols import Signature, TensorSpec
from streamapp.registering.found import Found, Refused
from streamapp.registering.importing import find, import_all
from streamapp.registering.mlflow import find_model
from streamapp.registering.register import Trial
from streamapp.testing import ManualClock

CONFIG = """
name: "fraud"
platform: "onnxruntime_onnx"   # a comment
max_batch_size: 64
input [ { name: "x" data_type: TYPE_FP32 dims: [ 3 ] } ]
output [ { name: "p", data_type: TYPE_FP32, dims: [ 1 ] } ]
"""


@pytest.fixture
def bring(registry):
    """Import, and what became of each: (model, version, reason; None if registered)."""

    def run(source: Path, model: str | None = None, version: str | None = None):
        outcomes = import_all(registry, find(source, model, version), None, Trial(), "ana", ManualClock())
        return [
            (item.model, item.version, item.reason)
            if isinstance(item, Refused)
            else (item.manifest.model, item.manifest.version, None)
            for item in outcomes
        ]

    return run


def test_a_repository_is_imported_version_by_version(bring, save_onnx, registry, tmp_path):
    save_onnx("repo/fraud/2/model.onnx")
    save_onnx("repo/fraud/10/model.onnx", columns=4)
    (tmp_path / "repo/fraud/config.pbtxt").write_text(CONFIG)
    first, second = bring(tmp_path / "repo")
    assert first == ("fraud", "2", None)
    assert second[:2] == ("fraud", "10")
    assert "input x:float32[rows,3] there, x:float32[rows,4] in the model" in second[2]
    assert registry.versions("fraud") == ("2",)
    assert registry.version("fraud", "2").source == "repository fraud/2"


def test_one_model_or_version_of_a_repository(save_onnx, tmp_path):
    for path in ("a/1", "a/2", "b/1"):
        save_onnx(f"repo/{path}/model.onnx")
    assert named(find(tmp_path / "repo", None, None)) == [("a", "1"), ("a", "2"), ("b", "1")]
    assert named(find(tmp_path / "repo", "a", "2")) == [("a", "2")]
    assert named(find(tmp_path / "repo/b", None, None)) == [("b", "1")]
    with pytest.raises(ConfigError, match="no such model or version"):
        find(tmp_path / "repo", "c", None)


def named(items) -> list[tuple[str, str]]:
    return [(item.model, item.version) for item in items]


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ('backend: "python"', "Python code"),
        ('platform: "ensemble"', "graph of models"),
        ('platform: "tensorrt_plan"', "`tensorrt_plan` has no runtime"),
        ("input { name: }", "a value is expected"),
        ("input { name: 'x' data_type: TYPE_BF16 }", "`TYPE_BF16`"),
        ("input [ { dims: [ 'x' ] name: 'x' data_type: TYPE_FP32 } ]", "whole numbers"),
        ("input { " * 50, "nested deeper"),
        ('default_model_filename: "../../x.onnx"', "cannot name a file"),
        ('default_model_filename: "other.onnx"', r"has no other\.onnx; it holds model\.onnx"),
        ("\x00", "line 1"),
    ],
)
def test_what_a_repository_cannot_give_is_refused_with_the_reason(save_onnx, tmp_path, config, said):
    save_onnx("repo/fraud/1/model.onnx")
    (tmp_path / "repo/fraud/config.pbtxt").write_text(config)
    (found,) = find(tmp_path / "repo", None, None)
    assert isinstance(found, Refused)
    assert re.search(said, found.reason)


def test_python_and_links_in_a_repository_are_refused(save_onnx, tmp_path):
    (tmp_path / "repo/code/1").mkdir(parents=True)
    (tmp_path / "repo/code/1/model.py").write_text("raise SystemExit")
    (tmp_path / "repo/link/1").mkdir(parents=True)
    os.symlink(save_onnx("outside/1/model.onnx"), tmp_path / "repo/link/1/model.onnx")
    os.symlink(tmp_path / "outside", tmp_path / "repo/whole")
    reasons = {item.model: item.reason for item in find(tmp_path / "repo", None, None)}
    assert "Python code (model.py)" in reasons["code"]
    assert "symbolic link" in reasons["link"]
    assert "symbolic link" in reasons["whole"]


def test_dims_are_read_as_triton_means_them(save_onnx, tmp_path):
    save_onnx("repo/fraud/1/model.onnx")
    config = tmp_path / "repo/fraud/config.pbtxt"
    config.write_text(
        "max_batch_size: 0 input { name: 'x' data_type: TYPE_INT64 dims: [ -1, 3 ] }"
        "output { name: 'p' data_type: TYPE_STRING dims: [ 1 ] reshape { shape: [ ] } }"
    )
    (found,) = find(tmp_path / "repo", None, None)
    assert isinstance(found, Found)
    assert found.said == Signature((TensorSpec("x", "int64", (None, 3)),), (TensorSpec("p", "str", ()),))


@pytest.fixture
def mlflow(tmp_path: Path):
    def write(flavors: dict, **more) -> Path:
        folder = tmp_path / "logged"
        folder.mkdir(exist_ok=True)
        (folder / "MLmodel").write_text(json.dumps({"flavors": flavors, **more}))
        return folder

    return write


def tensors(columns: int, name: str = "x") -> str:
    spec = {"dtype": "float32", "shape": [-1, columns]}
    return json.dumps([{"name": name, "type": "tensor", "tensor-spec": spec}])


def test_an_mlflow_folder_with_onnx(bring, mlflow, save_onnx, registry):
    save_onnx("logged/model.onnx")
    flavors = {"onnx": {"data": "model.onnx"}, "python_function": {"loader_module": "mlflow.onnx"}}
    folder = mlflow(flavors, run_id="0123abcd", signature={"inputs": tensors(4)})
    (refused,) = bring(folder, "fraud", "1")
    assert "MLmodel and the model do not match" in refused[2]
    mlflow(flavors, run_id="0123abcd", signature={"inputs": tensors(3), "outputs": tensors(1, "p")})
    assert bring(folder, "fraud", "1") == [("fraud", "1", None)]
    assert registry.version("fraud", "1").source == "mlflow run 0123abcd"
    with pytest.raises(ConfigError, match="--model NAME --version V"):
        find(folder, None, None)


@pytest.mark.parametrize(
    ("flavors", "said"),
    [
        ({"sklearn": {"pickled_model": "model.pkl"}, "python_function": {}}, "`sklearn`, which is stored as a pickle"),
        ({"python_function": {"python_model": "python_model.pkl"}}, "`python_function`, which is stored as a pickle"),
        ({"lightgbm": {"data": "model.lgb"}}, "`lightgbm`, which has no runtime here"),
        ({"onnx": {"data": "../../etc/passwd"}}, "cannot name a file"),
        ({"onnx": {"data": "/etc/passwd"}}, "cannot name a file"),
        ({"onnx": {"data": ["model.onnx"]}}, "names no file"),
        ({"onnx": {"data": "absent.onnx"}}, "no such file"),
        ({"pytorch": {"model_data": "data"}}, "pickled module"),
        ({}, "no flavors"),
    ],
)
def test_what_an_mlflow_folder_cannot_give_is_refused_with_the_reason(mlflow, tmp_path, flavors, said):
    folder = mlflow(flavors)
    (folder / "data").mkdir()
    with zipfile.ZipFile(folder / "data/model.pth", "w") as archive:
        archive.writestr("model/data.pkl", pickle.dumps({}))
    with pytest.raises((ModelLoadError, RegistryError), match=said):
        find_model(folder, "fraud", "1")


def test_a_linked_file_of_mlflow_is_refused(mlflow, save_onnx):
    folder = mlflow({"onnx": {"data": "model.onnx"}})
    os.symlink(save_onnx("secret.onnx"), folder / "model.onnx")
    with pytest.raises(StreamappError, match="symbolic link"):
        find_model(folder, "fraud", "1")


def test_a_scripted_module_of_mlflow_is_torchscript_with_its_declared_tensors(mlflow):
    folder = mlflow({"pytorch": {"model_data": "data"}}, signature={"inputs": tensors(3), "outputs": tensors(1, "p")})
    (folder / "data").mkdir()
    with zipfile.ZipFile(folder / "data/model.pth", "w") as archive:
        archive.writestr("model/constants.pkl", b"")
        archive.writestr("model/code/__torch__.py", b"")
    found = find_model(folder, "fraud", "1")
    assert (found.runtime, found.path) == ("torchscript", folder / "data/model.pth")
    assert found.said == Signature((TensorSpec("x", "float32", (None, 3)),), (TensorSpec("p", "float32", (None, 1)),))


def test_other_sources_are_told_what_an_import_takes(tmp_path, save_onnx):
    with pytest.raises(ConfigError, match="streamapp models register"):
        find(save_onnx(), "fraud", "1")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match="is neither"):
        find(tmp_path / "empty", None, None)
    with pytest.raises(ModelLoadError, match="no such file"):
        find(tmp_path / "absent", None, None)
