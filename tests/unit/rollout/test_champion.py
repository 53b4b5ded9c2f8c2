"""`streamapp models alias MODEL champion VERSION --pipeline FILE`: what is done, what is not, and what is said."""

import hashlib
import sys
from dataclasses import replace

import pytest

from streamapp.act.commands import Advance, Start
from streamapp.act.state import LOADING, State
from streamapp.act.steps import SetWeight
from streamapp.cli.main import main
from streamapp.models import Manifest, Registry
from streamapp.models.manifest import ModelFile
from streamapp.protocols import TensorSpec
from streamapp.types import Tenant
from tests.rollout_log import ScriptedLog, reach_to


@pytest.fixture
def controlled(pipeline_text) -> str:
    return f"{pipeline_text}control: {{registry: registry}}\n"


@pytest.fixture
def command(monkeypatch, capfd, tmp_path, log, shelf, controlled):
    """Run `streamapp models alias …` with the pipeline: status, what it prints, what it complains."""
    (tmp_path / "pipeline.yaml").write_text(controlled)
    monkeypatch.delenv("STREAMAPP_REGISTRY", raising=False)

    def run(*arguments):
        told = ["streamapp", "models", "alias", *arguments, "--pipeline", str(tmp_path / "pipeline.yaml")]
        monkeypatch.setattr(sys, "argv", told)
        with pytest.raises(SystemExit) as ended:
            main(lambda settings, base: reach_to(log, shelf))
        said = capfd.readouterr()
        return int(ended.value.code or 0), said.out, said.err.replace(f"{tmp_path}/", "")

    return run


@pytest.fixture
def registry(tmp_path) -> Registry:
    """Version 2, which is the champion, and version 4; version 1 is the pipeline file's own."""
    found = Registry(tmp_path / "registry")
    (tmp_path / "staged").mkdir()
    (tmp_path / "staged/m.onnx").write_bytes(b"weights")
    file = ModelFile("m.onnx", hashlib.sha256(b"weights").hexdigest(), 7)
    x = TensorSpec("x", "float32", (None, 1))
    who = {"registered_by": "ana", "registered_at": "2023-01-01T00:00:00Z"}
    manifest = Manifest("fraud", "2", "onnx", "m.onnx", (file,), (x,), (x,), **who)
    for version in ("2", "4"):
        found.add(replace(manifest, version=version), tmp_path / "staged")
    found.point("fraud", "champion", "2", "ana")
    return found


@pytest.fixture
def promoted(log: ScriptedLog) -> ScriptedLog:
    """Version 2 answers, version 1 is loaded beside it."""
    said = {"by": "ann", "at_ms": 0}
    begun = {"model": "fraud", "version": "2", "tenant": Tenant("champion", "2"), "steps": (SetWeight(10),)}
    log.write(Start(id="r1", **said, expects=log.state.models["fraud"], **begun))
    log.write(Advance(id="p1", **said, rollout="r1", turn=0, step=LOADING))
    return log


def answering(state: State) -> str:
    assert state.weights["champion-canary"] == 0
    return state.version_of(state.tenants["champion"])


def test_a_version_that_only_the_file_has_comes_back_with_status_0(command, promoted, registry):
    status, out, err = command("fraud", "champion", "1")
    assert (status, err) == (0, "")
    first, second = out.splitlines()
    assert first == "version 1 of `fraud` answers everything from revision 4 on"
    assert second.startswith("fraud: champion stays as it is, as the registry cannot name what only the pipeline file")
    assert second.endswith("to change that: streamapp models register fraud PATH --version 1")
    assert answering(promoted.state) == "1"
    assert registry.resolve("fraud", "champion") == "2"


def test_a_version_that_the_registry_has_answers_and_the_alias_moves(command, promoted, registry):
    command("fraud", "champion", "1")
    status, out, _ = command("fraud", "champion", "2", "--by", "ann")
    assert status == 0
    first, second = out.splitlines()
    assert first == "version 2 of `fraud` answers everything from revision 5 on"
    assert second.startswith("fraud: champion is 2 since ")
    assert answering(promoted.state) == "2"


def test_what_answers_already_moves_the_alias_all_the_same(command, promoted, registry):
    registry.point("fraud", "champion", "4", "bob")
    status, out, _ = command("champion", "2", "--by", "ann")
    assert (status, out.splitlines()[0]) == (0, "version 2 of `fraud` answers everything already")
    assert registry.resolve("fraud", "champion") == "2"
    assert len(promoted.records) == 3


def test_an_alias_names_the_version_and_a_version_not_loaded_moves_it_later(command, promoted, registry, shelf):
    shelf.services, shelf.aliases = {"4": None}, {"challenger": "4"}
    status, out, _ = command("fraud", "champion", "@challenger")
    assert (status, out.splitlines()) == (
        0,
        [
            "version 4 of `fraud` answers everything as soon as every worker has loaded it",
            "fraud: champion is moved then, by the worker that leads (streamapp rollout status fraud)",
        ],
    )
    assert registry.resolve("fraud", "champion") == "2"
    assert answering(promoted.state) == "2"


def test_a_registry_that_is_away_does_not_keep_a_rollback_and_is_told(command, promoted, tmp_path):
    (tmp_path / "registry").write_text("a file where the folder should be")
    status, out, err = command("fraud", "champion", "1")
    assert (status, out) == (1, "version 1 of `fraud` answers everything from revision 4 on\n")
    assert err.startswith(
        "streamapp: registry_unavailable: version 1 of `fraud` answers everything from revision 4 on; but alias "
        "`champion` was not moved; the worker that leads goes on trying: "
    )
    assert answering(promoted.state) == "1"


def test_another_alias_than_the_champion_deploys_nothing(command, promoted, registry):
    status, out, _ = command("fraud", "challenger", "4")
    assert status == 0
    assert out.startswith("fraud: challenger is 4 since ")
    assert len(promoted.records) == 3


def test_an_unknown_alias_changes_nothing(command, promoted, registry):
    status, out, err = command("fraud", "champion", "@best")
    assert (status, out) == (1, "")
    assert "has no version or alias @best" in err
    assert len(promoted.records) == 3


def test_the_alias_that_the_pipeline_keeps_deploys_as_well(command, promoted, registry, controlled, tmp_path):
    (tmp_path / "pipeline.yaml").write_text(controlled.replace("registry}", "registry, alias: champion-eu}"))
    command("fraud", "champion-eu", "1")
    assert answering(promoted.state) == "1"
    assert registry.alias("fraud", "champion-eu") is None
