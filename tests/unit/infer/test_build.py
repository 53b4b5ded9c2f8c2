import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from streamapp.config.settings import EventSettings, FieldSettings, ModelSettings, OutputSettings, VariantSettings
from streamapp.errors import ContractError, ModelLoadError
from streamapp.infer import build_inferrer
from streamapp.protocols import Inferrer

EVENT = EventSettings(
    id="id",
    fields={
        "id": FieldSettings(dtype="string"),
        "a": FieldSettings(dtype="float64"),
        "i": FieldSettings(dtype="int64"),
    },
)


def variant(path: Path, inputs: dict, tensor: str = "p", column: int = 0, **model) -> VariantSettings:
    return VariantSettings(
        model=ModelSettings(name="m", path=Path(path.name), **model),
        inputs=inputs,
        outputs={"score": OutputSettings(tensor=tensor, column=column)},
    )


def test_two_variants_score_their_own_rows(save_model, save_gather, weights, events, block):
    variants = {
        "champion": variant(save_gather(), {"i": "i"}),
        "challenger": variant(save_model(), {"x": ("a", "w:p", "w:q")}, column=1),
    }
    inferrer: Inferrer = build_inferrer(variants, EVENT, save_model().parent)
    batch = events({"id": list("wxyz"), "a": np.array([1.0, 2, 3, 4]), "i": np.array([0, 9, 2, 1])})
    values = np.array([[5, 6], [7, 8]], np.float32)
    champion, challenger = inferrer.infer(batch, [block([0, 1, 2, 3]), block([1, 3], ("w:p", "w:q"), values)])
    assert champion.rows.tolist() == [0, 3]
    assert champion.values.tolist() == [[0.25], [0.5]]
    assert {row: failure.code for row, failure in champion.failures.items()} == {1: "model_error", 2: "not_finite"}
    expected = np.exp(np.array([[2, 5, 6], [4, 7, 8]]) @ weights)
    np.testing.assert_allclose(challenger.values, (expected / expected.sum(1, keepdims=True))[:, 1:], rtol=1e-5)
    assert challenger.rows.tolist() == [1, 3]
    inferrer.close()
    inferrer.close()


def test_a_model_with_a_fixed_batch_axis_scores_any_number_of_rows(save_model, events, block):
    path = save_model(rows=4)
    inferrer = build_inferrer({"champion": variant(path, {"x": ("a", "a", "a")})}, EVENT, path.parent)
    batch = events({"id": ["x"] * 7, "a": np.ones(7), "i": np.zeros(7, np.int64)})
    assert inferrer.infer(batch, [block(list(range(7)))])[0].values.shape == (7, 1)


def test_signatures_can_be_read(save_gather):
    path = save_gather()
    inferrer = build_inferrer({"champion": variant(path, {"i": "i"})}, EVENT, path.parent)
    assert inferrer.signatures["champion"].inputs[0].name == "i"
    with pytest.raises(ContractError, match="0 feature blocks for 1 variants"):
        inferrer.infer(None, [])


def test_errors_name_the_variant(save_gather, tmp_path):
    with pytest.raises(ModelLoadError, match=r"variant `champion`: .*no such file"):
        build_inferrer({"champion": variant(tmp_path / "absent.onnx", {"i": "i"})}, EVENT, tmp_path)
    with pytest.raises(ContractError, match=r"variant `champion`.*do not match"):
        build_inferrer({"champion": variant(save_gather(), {"i": "a"})}, EVENT, tmp_path)


def test_the_digest_is_verified_for_every_runtime(save_gather):
    path = save_gather()
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    build_inferrer({"champion": variant(path, {"i": "i"}, sha256=digest)}, EVENT, path.parent).close()
    with pytest.raises(ModelLoadError, match="SHA-256"):
        build_inferrer({"champion": variant(path, {"i": "i"}, sha256="0" * 64)}, EVENT, path.parent)


def test_the_ending_decides_unless_a_runtime_is_named(save_gather):
    path = save_gather("model.bin")
    with pytest.raises(ModelLoadError, match=r"ending `\.bin`.*model\.runtime.*onnx, river"):
        build_inferrer({"champion": variant(path, {"i": "i"})}, EVENT, path.parent)
    build_inferrer({"champion": variant(path, {"i": "i"}, runtime="onnx")}, EVENT, path.parent).close()
    with pytest.raises(ModelLoadError, match=r"no runtime `nope`; installed: .*onnx"):
        build_inferrer({"champion": variant(path, {"i": "i"}, runtime="nope")}, EVENT, path.parent)


def test_a_runtime_of_another_package_is_found(save_gather, monkeypatch, tmp_path_factory):
    """As installed: a module and its metadata on the path; its library is not there."""
    site = tmp_path_factory.mktemp("site")
    (site / "acme_runtime.py").write_text("import acme_library_that_is_absent\n")
    metadata = site / "acme-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[streamapp.runtimes]\nacme = acme_runtime:load\n")
    monkeypatch.syspath_prepend(str(site))
    path = save_gather()
    with pytest.raises(ModelLoadError, match="runtime `acme` needs `acme_library_that_is_absent`: install it"):
        build_inferrer({"champion": variant(path, {"i": "i"}, runtime="acme")}, EVENT, path.parent)


def test_importing_the_room_imports_no_model_library():
    code = (
        "import sys, streamapp.infer, streamapp.testing\n"
        "print(sorted({'onnxruntime', 'onnx', 'torch', 'river', 'pandas', 'sklearn'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
