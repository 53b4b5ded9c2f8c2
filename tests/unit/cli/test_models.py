import json
import logging
import re
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from streamapp.cli.main import main
from streamapp.models import Registry


@pytest.fixture
def command(monkeypatch, capsys, tmp_path):
    """`streamapp models …` in this process, on a registry of this test: exit status, stdout, stderr."""
    monkeypatch.setenv("STREAMAPP_REGISTRY", str(tmp_path / "registry"))
    monkeypatch.setenv("COLUMNS", "160")

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["streamapp", "models", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    root = logging.getLogger()
    before = root.handlers[:], root.level
    yield run
    root.handlers[:], root.level = before


@pytest.fixture
def model(tmp_path: Path):
    def save(name: str = "model.onnx", scale: float = 1.0) -> Path:
        weights = np.full((3, 1), scale, np.float32)
        graph = helper.make_graph(
            [helper.make_node("MatMul", ["x", "w"], ["p"])],
            "g",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", 3])],
            [helper.make_tensor_value_info("p", TensorProto.FLOAT, ["rows", 1])],
            [helper.make_tensor("w", TensorProto.FLOAT, [3, 1], weights.tobytes(), raw=True)],
        )
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
        return path

    return save


def test_the_life_of_two_versions(command, model, tmp_path):
    said = ["--metric", "auc=0.91", "--training-data", "s3://lake/p", "--trained-from", "2026-01-01", "--by", "ana"]
    first = ["register", "fraud", model(), "--version", "1", *said, "--feature-service", "fraud_v1"]
    assert command(*first) == (0, "fraud 1 registered\n", "")
    assert command(*first) == (0, "fraud 1 was registered before, with the same content\n", "")
    status, _, err = command("register", "fraud", model(scale=2), "--version", "1", *said)
    assert status == 1
    assert "version_taken: model `fraud` version `1` exists with other content (files, feature_service)" in err

    status, out, _ = command("alias", "fraud", "champion", "1", "--by", "ana")
    assert status == 0
    assert re.fullmatch(r"fraud: champion is 1 since \S+Z by ana, before nothing\n", out)
    second = ["register", "fraud", model(scale=2), "--version", "2", "--parent", "@champion", "--metric", "auc=0.93"]
    assert command(*second, "--json")[1] == ('{"model":"fraud","version":"2","outcome":"registered","reason":""}\n')
    assert Registry(tmp_path / "registry").version("fraud", "2").parent == "1"
    assert "before 1" in command("alias", "fraud", "champion", "2", "--by", "bob")[1]

    _, out, _ = command("list")
    assert re.search(r"fraud +1 +onnx +\S+Z +ana +auc=0\.91", out)
    assert re.search(r"fraud +2 +champion +onnx", out)
    assert "2 versions of 1 model in" in out
    rows = [json.loads(line) for line in command("list", "fraud", "--json")[1].splitlines()]
    assert [(row["version"], row["aliases"], row["metrics"]) for row in rows] == [
        ("1", [], {"auc": 0.91}),
        ("2", ["champion"], {"auc": 0.93}),
    ]

    _, out, _ = command("show", "fraud")
    assert re.search(r"champion +1 +2 +\S+Z +bob", out)
    _, out, _ = command("show", "fraud", "1")
    for line in (r"trained from +2026-01-01T00:00:00Z", r"input +x:float32\[rows,3\]", r"feature service +fraud_v1"):
        assert re.search(line, out)
    shown = json.loads(command("show", "fraud", "@champion", "--json")[1])
    assert (shown["version"], shown["aliases"], shown["inputs"][0]["shape"]) == ("2", ["champion"], [None, 3])

    _, out, _ = command("diff", "fraud", "1", "champion")
    assert re.search(r"metric auc +0\.91 +0\.93 \(\+0\.02\)", out)
    assert "runtime" not in out
    changes = [json.loads(line) for line in command("diff", "fraud", "1", "2", "--json")[1].splitlines()]
    assert {"what": "parent", "a": "-", "b": "1"} in changes
    assert command("diff", "fraud", "1", "1")[1] == "1 and 1 do not differ\n"


def test_verify_tells_a_tampered_version_and_list_goes_on(command, model, tmp_path):
    for version in ("1", "2"):
        command("register", "fraud", model(), "--version", version)
    assert re.fullmatch(r"fraud 1: 1 file, \d+ bytes, as its manifest says\n", command("verify", "fraud", "1")[1])
    (stored,) = (tmp_path / "registry/fraud/1").rglob("model.onnx")
    stored.write_bytes(stored.read_bytes()[:-1] + b"X")
    status, _, err = command("verify", "fraud", "1")
    assert (status, "model_integrity" in err, "tampered" in err) == (1, True, True)
    (tmp_path / "registry/fraud/2/manifest.json").write_text("{}")
    status, out, _ = command("list")
    assert status == 0
    assert re.search(r"fraud +2 +damaged, see show", out)
    assert "not a manifest" in json.loads(command("list", "--json")[1].splitlines()[0])["damaged"]
    assert "not a manifest" in command("show", "fraud", "2")[2]


def test_an_import_tells_each_version_and_fails_if_one_is_refused(command, model, tmp_path):
    model("repo/fraud/1/model.onnx")
    model("repo/code/1/model.onnx")
    (tmp_path / "repo/code/config.pbtxt").write_text('backend: "python"')
    status, out, _ = command("import", tmp_path / "repo")
    assert status == 1
    assert out.splitlines()[0].startswith("code refused: its backend is Python code")
    assert out.splitlines()[1] == "fraud 1 registered"
    assert command("import", tmp_path / "repo", "--model", "fraud")[0] == 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--metric", "auc"], "metric `auc`"),
        (["--metric", "auc=nan"], "finite number"),
        (["--metric", "a=1", "--metric", "a=2"], "given twice"),
        (["--trained-from", "yesterday"], "no ISO 8601 time"),
        (["--trained-from", "2026-02-01", "--trained-to", "2026-01-01"], "the end is not after the start"),
        (["--feature-service-sha256", "0" * 64], "needs --feature-service"),
        (["--feature-service", "f", "--feature-service-sha256", "xyz"], "64 hex digits"),
        (["--input", "x:float32"], "declares no tensor"),
        (["--sample", "absent.json"], "sample absent.json"),
    ],
)
def test_bad_options_are_refused_with_status_2(command, model, tmp_path, options, said):
    status, _, err = command("register", "fraud", model(), "--version", "1", *options)
    assert (status, said in err) == (2, True), err
    assert not (tmp_path / "registry").exists()


def test_without_a_registry_it_says_how_to_name_one(command, monkeypatch):
    monkeypatch.delenv("STREAMAPP_REGISTRY")
    status, _, err = command("list")
    assert (status, "--registry URL, or set STREAMAPP_REGISTRY" in err) == (2, True)


def test_a_registry_that_is_not_there_is_an_error_that_says_so(command, tmp_path):
    for arguments in (["list"], ["list", "fraud"], ["show", "fraud"]):
        status, out, err = command(*arguments)
        assert (status, out) == (1, "")
        assert f"registry {tmp_path / 'registry'}: there is no such folder; mount it or correct the path" in err
    (tmp_path / "registry").mkdir()
    assert command("list")[:2] == (0, f"0 versions of 0 models in {tmp_path / 'registry'}\n")


@pytest.mark.parametrize("store", ["memory://key:hunter2@nothing", "s3://key:hunter2@nothing", "s3://key:hunter%322@b"])
def test_credentials_of_the_registry_are_not_printed(command, model, monkeypatch, s3, store):
    monkeypatch.setenv("STREAMAPP_REGISTRY", f"{store}/models?token=hunter2")
    for arguments in (["list"], ["show", "fraud"], ["verify", "fraud", "1"], ["alias", "fraud", "a", "1"],
                      ["register", "fraud", model(), "--version", "1"], ["list", "--help"]):  # fmt: skip
        _, out, err = command(*arguments)
        assert "hunter" not in out + err


def test_the_same_commands_on_an_object_store(command, model, monkeypatch, s3, topic, tmp_path):
    url = f"s3://{s3.bucket}/{topic('cli')}/models"
    monkeypatch.setenv("STREAMAPP_REGISTRY", url)
    model("repo/fraud/1/model.onnx")
    model("repo/fraud/2/model.onnx", scale=2)
    assert command("import", tmp_path / "repo") == (0, "fraud 1 registered\nfraud 2 registered\n", "")
    other = command("register", "fraud", model(scale=3), "--version", "1")
    assert (other[0], "version_taken" in other[2]) == (1, True)
    assert command("alias", "fraud", "champion", "1")[0] == 0
    assert "before 1" in command("alias", "fraud", "champion", "2")[1]
    assert f"2 versions of 1 model in {url}" in command("list")[1]
    assert re.search(r"alias +champion", command("show", "fraud", "@champion")[1])
    assert "sha256" in command("diff", "fraud", "1", "2")[1]
    assert command("verify", "fraud", "champion")[1].endswith("as its manifest says\n")


def test_what_is_printed_does_not_steer_the_terminal(command, model):
    command("register", "fraud", model(), "--version", "1", "--code-version", "\x1b[31mred", "--by", "\x1b]0;x")
    for arguments in (["list"], ["show", "fraud", "1"]):
        assert "\x1b" not in command(*arguments)[1]
