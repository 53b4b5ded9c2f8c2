"""Each trial starts a process, so one test asks several things of it."""

import json
import os
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest

from streamapp.errors import ConfigError, ContractError, ModelLoadError, RegistryError, UnknownVersion
from streamapp.protocols import Signature, TensorSpec
from streamapp.registering.register import Claim, Trial, register
from streamapp.registering.trial import Limits
from streamapp.testing import ManualClock

FEATURE = TensorSpec("a", "float64", (None,))
DECLARED = Signature((FEATURE,), ())
PLAIN = Trial()


@pytest.fixture
def attempt(registry):
    def run(path: Path, trial: Trial = PLAIN, **claim):
        given = Claim(**{"model": "fraud", "version": "1", **claim})
        return register(registry, path, given, trial, "ana", ManualClock(1_357_016_400_000))

    return run


def test_a_model_is_tried_and_registered_with_its_own_signature(attempt, save_onnx, registry, tmp_path):
    path = save_onnx()
    done = attempt(path, metrics={"auc": 0.9})
    assert done.added
    assert done.manifest == registry.version("fraud", "1")
    assert done.manifest.inputs == (TensorSpec("x", "float32", (None, 3)),)
    assert done.manifest.outputs == (TensorSpec("p", "float32", (None, 1)),)
    assert (done.manifest.runtime, done.manifest.registered_at) == ("onnx", "2013-01-01T05:00:00Z")
    assert registry.fetch("fraud", "1", tmp_path / "cache").read_bytes() == path.read_bytes()
    assert not attempt(path, metrics={"auc": 0.9}).added


def test_weights_beside_an_onnx_model_come_along(attempt, save_onnx, registry, tmp_path):
    path = save_onnx("source/model.onnx", location="w.bin")
    (path.parent / "w.bin").write_bytes(np.ones(3, np.float32).tobytes())
    (path.parent / "unrelated").write_bytes(b"")
    assert [file.path for file in attempt(path).manifest.files] == ["model.onnx", "w.bin"]
    fetched = registry.fetch("fraud", "1", tmp_path / "cache")
    assert sorted(entry.name for entry in fetched.parent.iterdir()) == ["model.onnx", "w.bin"]


def nothing_is_registered(registry) -> bool:
    return registry.models() == ()


@pytest.mark.parametrize("location", ["../w.bin", "/etc/hostname", "..\\w.bin"])
def test_weights_elsewhere_are_refused(attempt, save_onnx, registry, location):
    with pytest.raises(ModelLoadError, match="outside the model's folder"):
        attempt(save_onnx("source/model.onnx", location=location))
    assert nothing_is_registered(registry)


@pytest.mark.parametrize("link", [os.symlink, os.link])
def test_links_are_refused(attempt, save_onnx, registry, tmp_path, link):
    link(save_onnx("real.onnx"), tmp_path / "model.onnx")
    with pytest.raises(ModelLoadError, match="link"):
        attempt(tmp_path / "model.onnx")
    assert nothing_is_registered(registry)


@pytest.mark.parametrize("name", ["model.pkl", "model.joblib", "model.pt", "model.onnx", "model.bin"])
def test_pickles_are_refused_by_name_and_by_content(attempt, registry, tmp_path, name):
    (tmp_path / name).write_bytes(pickle.dumps({"weights": [1]}))
    with pytest.raises(ModelLoadError, match="pickle; refused"):
        attempt(tmp_path / name)
    assert nothing_is_registered(registry)


def test_a_module_of_torch_save_is_told_that_it_is_a_pickle(attempt, tmp_path):
    with zipfile.ZipFile(tmp_path / "model.pt", "w") as archive:
        archive.writestr("model/data.pkl", pickle.dumps({}))
    with pytest.raises(ModelLoadError, match=r"torch\.save writes is a pickle"):
        attempt(tmp_path / "model.pt")


def test_what_runs_code_is_not_opened_without_trust(attempt, save_pickle, registry, tmp_path):
    path = save_pickle(f"open({str(tmp_path / 'ran')!r}, 'w')")
    with pytest.raises(ModelLoadError, match="--trust"):
        attempt(path, declared=DECLARED)
    assert not (tmp_path / "ran").exists()
    with pytest.raises(ModelLoadError, match="a River NoneType cannot score"):
        attempt(path, Trial(trusted=True), declared=DECLARED)
    assert (tmp_path / "ran").exists(), "the trap would have worked"
    assert nothing_is_registered(registry)


@pytest.mark.parametrize(
    ("line", "limits", "said"),
    [
        ("import os; os.abort()", Limits(), "was to be loaded died of SIGABRT"),
        ("import os; os._exit(0)", Limits(), "ended by itself with status 0"),
        ("import time; time.sleep(600)", Limits(time_s=3), "could not be loaded within 3 s and was stopped"),
        ("held = bytearray(3 << 30)", Limits(memory_gib=2), "needs more than 2 GiB to be loaded"),
        ("raise KeyError('no such thing')", Limits(), "cannot be unpickled here.*no such thing"),
    ],
    ids=["crash", "exit", "hang", "memory", "raise"],
)
def test_a_loader_that_dies_is_a_refusal(attempt, save_pickle, registry, line, limits, said):
    with pytest.raises(ModelLoadError, match=said):
        attempt(save_pickle(line), Trial(trusted=True, limits=limits), declared=DECLARED)
    assert nothing_is_registered(registry)


def test_the_trial_sees_none_of_our_secrets(attempt, save_pickle, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter2")
    with pytest.raises(ModelLoadError) as raised:
        attempt(
            save_pickle("import os; raise KeyError(' '.join(sorted(os.environ)))"),
            Trial(trusted=True),
            declared=DECLARED,
        )
    assert "PATH" in str(raised.value)
    assert "AWS" not in str(raised.value)


def test_a_river_model_that_is_trusted(attempt, registry, tmp_path):
    from river import linear_model

    model = linear_model.LinearRegression()
    model.learn_one({"a": 1.0}, 2.0)
    (tmp_path / "model.river").write_bytes(pickle.dumps(model))
    with pytest.raises(ModelLoadError, match="carries no signature"):
        attempt(tmp_path / "model.river", Trial(trusted=True))
    manifest = attempt(tmp_path / "model.river", Trial(trusted=True), declared=DECLARED).manifest
    assert (manifest.runtime, manifest.inputs, manifest.outputs[0].name) == ("river", (FEATURE,), "predictions")


def test_a_file_that_is_no_model_is_refused_without_a_word_of_our_folders(attempt, save_onnx, registry):
    path = save_onnx()
    content = bytearray(path.read_bytes())
    content[content.index(b"MatMul")] = ord("Z")
    path.write_bytes(content)
    with pytest.raises(ModelLoadError, match=r"^model model\.onnx: ONNX Runtime cannot load it"):
        attempt(path)
    path.write_bytes(b"not a model")
    with pytest.raises(ModelLoadError, match="not an ONNX model"):
        attempt(path)
    assert nothing_is_registered(registry)


def test_a_sample_must_fit_and_is_scored(attempt, save_onnx, registry, tmp_path):
    path, sample = save_onnx(), tmp_path / "rows.json"
    for content, said in (
        ({"y": [[1, 2, 3]]}, "the model's inputs: x"),
        ({"x": [[1, 2]]}, r"has shape \(1, 2\), not x:float32\[rows,3\]"),
        ({"x": []}, "shape"),
        ({"x": [["a", "b", "c"]]}, "is not x:float32"),
    ):
        sample.write_text(json.dumps(content))
        with pytest.raises(ConfigError, match=said):
            attempt(path, Trial(sample=sample))
    sample.write_text(json.dumps({"x": [["nan", 1, 2]]}).replace('"nan"', "NaN"))
    with pytest.raises(ContractError, match="NaN or infinite for all 1 rows"):
        attempt(path, Trial(sample=sample))
    assert nothing_is_registered(registry)
    sample.write_text(json.dumps({"x": [[1, 2, 3]]}))
    assert attempt(path, Trial(sample=sample)).added


def test_bad_words_are_refused_before_anything_is_tried(attempt, save_onnx, tmp_path):
    path = save_onnx()
    for claim, kind, said in (
        ({"model": "../x"}, RegistryError, "cannot name a model"),
        ({"version": "a/b"}, RegistryError, "cannot name a version"),
        ({"runtime": "tensorrt"}, ModelLoadError, "--trust"),
    ):
        with pytest.raises(kind, match=said):
            attempt(path, **claim)
    with pytest.raises(ModelLoadError, match="no such file"):
        attempt(tmp_path / "absent.onnx")
    with pytest.raises(ModelLoadError, match="is a folder"):
        attempt(tmp_path)
    with pytest.raises(UnknownVersion):
        attempt(path, parent="0")
