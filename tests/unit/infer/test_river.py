import hashlib
import pickle
from pathlib import Path

import numpy as np
import pytest
from river import anomaly, base, dummy, linear_model, preprocessing, tree

from streamapp.errors import ContractError, ModelLoadError
from streamapp.infer.river import load
from streamapp.protocols import Runtime, RuntimeOptions, Signature, TensorSpec
from streamapp.testing import check_runtime

RNG = np.random.default_rng(0)
SAMPLE = {"a": RNG.normal(size=60), "b": RNG.normal(size=60)}
INPUTS = tuple(TensorSpec(name, "float64", (None,)) for name in SAMPLE)


def rows() -> list[dict[str, float]]:
    return [{"a": float(a), "b": float(b)} for a, b in zip(SAMPLE["a"], SAMPLE["b"], strict=True)]


def learned(model, target):
    for row in rows():
        model.learn_one(row, target(row))
    return model


def saved(path: Path, model: object, outputs: tuple[TensorSpec, ...] = (), pin: str | None = None) -> Runtime:
    content = pickle.dumps(model)
    path.write_bytes(content)
    digest = pin or hashlib.sha256(content).hexdigest()
    return load(path, RuntimeOptions(signature=Signature(INPUTS, outputs), sha256=digest))


def test_a_classifier_with_mini_batches(tmp_path):
    model = learned(preprocessing.StandardScaler() | linear_model.LogisticRegression(), lambda row: row["a"] > 0)
    runtime = saved(tmp_path / "m.river", model)
    assert runtime.signature.outputs == (TensorSpec("probabilities", "float64", (None, 2)),)
    expected = [[model.predict_proba_one(row)[False], model.predict_proba_one(row)[True]] for row in rows()]
    np.testing.assert_allclose(runtime.infer(SAMPLE)["probabilities"], expected)
    check_runtime(runtime, SAMPLE)


def test_a_transformer_without_mini_batches_is_fed_row_by_row(tmp_path):
    model = learned(preprocessing.RobustScaler() | linear_model.LogisticRegression(), lambda row: row["a"] > 0)
    check_runtime(saved(tmp_path / "m.river", model), SAMPLE)


def test_a_classifier_row_by_row(tmp_path):
    model = learned(tree.HoeffdingTreeClassifier(grace_period=10), lambda row: int(row["a"] > 0))
    assert not isinstance(model, base.MiniBatchClassifier)
    runtime = saved(tmp_path / "m.river", model)
    expected = [model.predict_proba_one(row)[1] for row in rows()]
    np.testing.assert_allclose(runtime.infer(SAMPLE)["probabilities"][:, 1], expected)
    check_runtime(runtime, SAMPLE)


def test_three_classes_need_three_columns(tmp_path):
    model = learned(tree.HoeffdingTreeClassifier(), lambda row: int(row["a"] > 0) + int(row["b"] > 0))
    declared = (TensorSpec("probabilities", "float64", (None, 3)),)
    found = saved(tmp_path / "m.river", model, declared).infer(SAMPLE)["probabilities"]
    np.testing.assert_allclose(found.sum(axis=1), 1)
    with pytest.raises(ContractError, match="knows the class 2"):
        saved(tmp_path / "m.river", model).infer(SAMPLE)


def test_classes_that_are_names_are_refused(tmp_path):
    model = learned(tree.HoeffdingTreeClassifier(), lambda row: "late" if row["a"] > 0 else "on time")
    with pytest.raises(ContractError, match="classes must be 0 to 1"):
        saved(tmp_path / "m.river", model).infer(SAMPLE)


def test_a_classifier_that_learned_nothing_has_no_scores(tmp_path):
    assert np.isnan(saved(tmp_path / "m.river", tree.HoeffdingTreeClassifier()).infer(SAMPLE)["probabilities"]).all()


@pytest.mark.parametrize(
    "model",
    [
        preprocessing.StandardScaler() | linear_model.LinearRegression(),
        tree.HoeffdingTreeRegressor(grace_period=10),
    ],
)
def test_regressors(tmp_path, model):
    learned(model, lambda row: row["a"] + row["b"])
    runtime = saved(tmp_path / "m.river", model)
    found = runtime.infer(SAMPLE)["predictions"]
    np.testing.assert_allclose(found, [model.predict_one(row) for row in rows()])
    check_runtime(runtime, SAMPLE)


def test_an_anomaly_detector(tmp_path):
    model = anomaly.HalfSpaceTrees(seed=1)
    for row in rows():
        model.learn_one(row)
    runtime = saved(tmp_path / "m.river", preprocessing.MinMaxScaler() | model)
    assert runtime.signature.outputs == (TensorSpec("scores", "float64", (None,)),)
    check_runtime(runtime, SAMPLE)


def test_scoring_does_not_teach_the_model(tmp_path):
    model = learned(preprocessing.StandardScaler() | tree.HoeffdingTreeClassifier(), lambda row: row["a"] > 0)
    runtime = saved(tmp_path / "m.river", model)
    first = runtime.infer(SAMPLE)["probabilities"]
    for _ in range(3):
        runtime.infer({name: values * 100 for name, values in SAMPLE.items()})
    np.testing.assert_array_equal(runtime.infer(SAMPLE)["probabilities"], first)


def test_a_transformer_cannot_score(tmp_path):
    with pytest.raises(ModelLoadError, match="a River StandardScaler cannot score events"):
        saved(tmp_path / "m.river", preprocessing.StandardScaler())


class Bomb:
    """Leaves a trace when unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self):
        return (Path.touch, (self.trace,))


def test_a_pickle_that_is_not_pinned_is_never_opened(tmp_path):
    content = pickle.dumps(Bomb(tmp_path / "trace"))
    (tmp_path / "m.river").write_bytes(content)
    with pytest.raises(ModelLoadError, match=r"any code.*model\.sha256"):
        load(tmp_path / "m.river", RuntimeOptions(signature=Signature(INPUTS, ())))
    with pytest.raises(ModelLoadError, match="SHA-256 is"):
        saved(tmp_path / "m.river", Bomb(tmp_path / "trace"), pin="0" * 64)
    assert not (tmp_path / "trace").exists()


def test_what_cannot_be_unpickled_says_why(tmp_path):
    (tmp_path / "m.river").write_bytes(b"cnowhere\nNothing\n.")
    digest = hashlib.sha256(b"cnowhere\nNothing\n.").hexdigest()
    with pytest.raises(ModelLoadError, match="another River or Python version"):
        load(tmp_path / "m.river", RuntimeOptions(signature=Signature(INPUTS, ()), sha256=digest))


def test_without_declared_features_it_says_what_to_declare(tmp_path):
    (tmp_path / "m.river").write_bytes(pickle.dumps(dummy.NoChangeClassifier()))
    with pytest.raises(ModelLoadError, match="signature_inputs"):
        load(tmp_path / "m.river", RuntimeOptions(sha256="0" * 64))
    with pytest.raises(ContractError, match=r"one value per row, shape \[null\]"):
        load(
            tmp_path / "m.river",
            RuntimeOptions(signature=Signature((TensorSpec("x", "float32", (None, 3)),), ()), sha256="0" * 64),
        )
