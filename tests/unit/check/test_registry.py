"""`check` on the model registry: offline by the file alone, and with what a control log has led to."""

import hashlib
from pathlib import Path

import pytest

from streamapp.act.commands import Advance, Declare, DeclaredVariant, Start
from streamapp.act.state import LOADING, State
from streamapp.act.steps import SetWeight
from streamapp.check import Finding, Level, check_pipeline
from streamapp.check.features import Services
from streamapp.check.registry import check_registry
from streamapp.config.load import load_pipeline
from streamapp.enrich import FeatureDescription, JoinKey, ServiceDescription, ViewDescription
from streamapp.models import Manifest, Registry
from streamapp.models.manifest import FeatureContract, ModelFile
from streamapp.protocols import TensorSpec
from streamapp.types import Tenant
from tests.act_log import MemoryLog

CONTROL = ("name: payments\n", "name: payments\ncontrol: {registry: registry}\n")
SERVED = (
    *("outputs:", "feature_service: fraud_v1\n    outputs:"),
    *("predictions:", "features: {repository: feature_repo}\npredictions:"),
)


def service(*features: str) -> ServiceDescription:
    described = tuple(FeatureDescription(name, "Float32", True) for name in features)
    view = ViewDescription("cards", "cards", (JoinKey("card", "card", "int64"),), described)
    return ServiceDescription("fraud_v1", (view,))


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(tmp_path / "registry")


@pytest.fixture
def put(tmp_path: Path, registry: Registry):
    """Register a version of the pipeline's model, with as many inputs as it takes."""

    def add(version: str, columns: int = 2, contract: FeatureContract | None = None) -> None:
        content = f"weights {version}".encode()
        (tmp_path / "staged").mkdir(exist_ok=True)
        (tmp_path / "staged/m.onnx").write_bytes(content)
        file = ModelFile("m.onnx", hashlib.sha256(content).hexdigest(), len(content))
        x, p = TensorSpec("x", "float32", (None, columns)), TensorSpec("p", "float32", (None, 2))
        who = {"registered_by": "ana", "registered_at": "2026-01-01T00:00:00Z", "feature_service": contract}
        registry.add(Manifest("fraud", version, "onnx", "m.onnx", (file,), (x,), (p,), **who), tmp_path / "staged")

    return add


def promoted(version: str) -> State:
    """That version answers, version 1 of the file is loaded beside it."""
    log = MemoryLog()
    slots = {name: DeclaredVariant("champion", "fraud", "1", 1.0, 0.0) for name in ("champion", "champion-canary")}
    assert log.write(Declare, expects=0, variants=slots) is None
    said = {"model": "fraud", "version": version, "tenant": Tenant("champion", version), "steps": (SetWeight(100),)}
    assert log.write(Start, expects=1, **said) is None
    assert log.write(Advance, rollout="c1", turn=0, step=LOADING) is None
    return log.state


def found(path: Path, state: State | None = None, services: Services | None = None) -> list[tuple[str, str, str]]:
    settings = load_pipeline(path)
    assert settings.control is not None
    findings = check_registry(settings, settings.control, path.parent, state, services or {})
    assert all(finding.remedy for finding in findings if finding.level is not Level.OK)
    return [(finding.level.value, finding.subject, finding.message) for finding in findings]


def test_a_folder_is_looked_at_offline_and_says_what_it_holds(pipeline, put, registry):
    path = pipeline(*CONTROL)
    Path(registry.url).mkdir()
    assert check_pipeline(path, offline=True)[-1] == Finding(
        Level.OK, "registry", f"{registry.url}: 0 versions of fraud"
    )
    put("2")
    registry.point("fraud", "challenger", "2", "ana")
    assert found(path) == [("ok", "registry", f"{registry.url}: 1 version of fraud, challenger -> 2")]


def test_a_folder_that_is_not_there_is_a_warning_and_an_error_for_what_it_should_hold(pipeline, registry):
    path = pipeline(*CONTROL)
    ((level, subject, message),) = found(path)
    assert (level, subject) == ("warning", "registry")
    assert message.startswith(f"registry {registry.url}: there is no such folder; mount it")
    _, (level, subject, message) = found(path, promoted("2"))
    assert (level, subject) == ("error", "registry fraud 2")
    assert "there is no such folder" in message


def test_without_control_nothing_is_said_of_it(pipeline):
    assert not [each for each in check_pipeline(pipeline(), offline=True) if each.subject.startswith("registry")]


def test_a_registry_that_does_not_answer_is_an_error(pipeline, tmp_path):
    (tmp_path / "registry").write_text("no folder")
    path = pipeline("name: payments\n", "name: payments\ncontrol: {registry: 'memory://x::y'}\n")
    ((level, subject, message),) = found(path)
    assert (level, subject) == ("error", "registry")
    assert "chained URLs" in message
    assert check_pipeline(path, offline=True)[-1].subject != "registry"


def test_what_serves_is_there_and_verified(pipeline, put, registry):
    put("2")
    registry.point("fraud", "champion", "2", "ana")
    assert found(pipeline(*CONTROL), promoted("2")) == [
        ("ok", "registry", f"{registry.url}: 1 version of fraud, champion -> 2"),
        ("ok", "registry fraud 2", "is there as its manifest says, for `champion`"),
    ]


def test_what_serves_and_is_not_there_is_an_error(pipeline, put, registry):
    put("3")
    _, (level, subject, message) = found(pipeline(*CONTROL), promoted("2"))
    assert (level, subject) == ("error", "registry fraud 2")
    assert "model `fraud` has no version `2`; versions: 3" in message


def test_what_serves_and_was_tampered_with_is_an_error(pipeline, put, tmp_path):
    put("2")
    (stored,) = (tmp_path / "registry/fraud/2").rglob("m.onnx")
    stored.write_bytes(b"weights X")
    _, (level, subject, message) = found(pipeline(*CONTROL), promoted("2"))
    assert (level, subject) == ("error", "registry fraud 2")
    assert "tampered" in message


def test_what_serves_and_does_not_fit_the_file_any_more_is_an_error(pipeline, put):
    put("2", columns=3)
    _, (level, _, message) = found(pipeline(*CONTROL), promoted("2"))
    assert level == "error"
    assert "champion, wired like champion" in message


def test_an_alias_that_does_not_say_what_answers_is_a_warning(pipeline, put, registry):
    for version in ("2", "3"):
        put(version)
    registry.point("fraud", "champion", "3", "ana")
    alias = ("warning", "registry", "alias `champion` of fraud is 3, but version 2 answers")
    assert alias in found(pipeline(*CONTROL), promoted("2"))
    assert alias not in found(
        pipeline(CONTROL[0], CONTROL[1].replace("registry}", "registry, alias: null}")), promoted("2")
    )


def test_an_alias_that_cannot_say_it_yet_has_another_remedy(pipeline, put, registry):
    put("3")
    registry.point("fraud", "champion", "3", "ana")
    path = pipeline(*CONTROL)
    settings = load_pipeline(path)
    assert settings.control is not None
    findings = check_registry(settings, settings.control, path.parent, promoted("2"), {})
    assert [each.remedy for each in findings if each.level is Level.WARNING] == [
        "streamapp models register fraud PATH --version 2, and then streamapp models alias fraud champion 2, unless "
        "somebody means it to be so"
    ]


def test_another_service_or_another_definition_than_in_training_is_a_warning(pipeline, put):
    trained, now = service("amount_1h"), service("amount_1h", "count_1h")
    assert trained.sha256 != now.sha256 == service("amount_1h", "count_1h").sha256
    put("2", contract=FeatureContract("fraud_v1", trained.sha256))
    put("3", contract=FeatureContract("other_v1"))
    path = pipeline(*CONTROL, *SERVED)
    assert [each for each in found(path, promoted("2"), {"champion": trained}) if each[0] != "ok"] == []
    assert found(path, promoted("2"), {"champion": now})[-1] == (
        "warning",
        "registry fraud 2",
        f"was trained with another definition of feature service fraud_v1: sha256 {trained.sha256}, and {now.sha256} "
        "in the Feast repository",
    )
    assert found(path, promoted("3"), {"champion": now})[-1] == (
        "warning",
        "registry fraud 3",
        "was trained with feature service other_v1, and is wired like `champion`, which has fraud_v1",
    )


def test_a_version_of_the_file_that_is_registered_as_well_is_compared_too(pipeline, put):
    put("1", contract=FeatureContract("fraud_v1", "0" * 64))
    level, subject, _ = found(pipeline(*CONTROL, *SERVED), None, {"champion": service("a")})[-1]
    assert (level, subject) == ("warning", "registry fraud 1")
