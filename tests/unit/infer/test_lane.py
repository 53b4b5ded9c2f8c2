import numpy as np
import pytest

from streamapp.config.settings import EventSettings, FieldSettings, ModelSettings, OutputSettings, VariantSettings
from streamapp.errors import ContractError, DependencyError, InferenceError, ModelError
from streamapp.infer.lane import Lane
from streamapp.protocols import Signature, TensorSpec

EVENT = EventSettings(id="id", fields={"id": FieldSettings(dtype="string"), "x": FieldSettings(dtype="float64")})
VARIANT = VariantSettings(
    model=ModelSettings(name="m", path="m.onnx"),
    inputs={"x": "x"},
    outputs={"score": OutputSettings(tensor="y")},
)


class Choosy:
    """Gives x back; raises `error` for a batch that holds a value in `refused` (None: for every batch)."""

    def __init__(self, refused: set[float] | None, error: Exception | None = None) -> None:
        self.signature = Signature((TensorSpec("x", "float64", (None,)),), (TensorSpec("y", "float64", (None,)),))
        self.refused = refused
        self.error = error or InferenceError("no such x")
        self.short = False
        self.calls = 0

    def infer(self, inputs):
        self.calls += 1
        if self.refused is None or self.refused & set(inputs["x"].tolist()):
            raise self.error
        return {"y": inputs["x"][:1] if self.short else inputs["x"].copy()}

    def close(self) -> None:
        pass


@pytest.fixture
def score(events, block):
    def run(lane: Lane, values: list[float], rows: list[int] | None = None):
        batch = events({"id": ["a"] * len(values), "x": np.array(values, float)})
        return lane.infer(batch, block(list(range(len(values))) if rows is None else rows))

    return run


def lane(runtime: Choosy, warm: bool = True) -> Lane:
    built = Lane("champion", VARIANT, EVENT, runtime)
    if warm:
        built.warm_up(())
    return built


def test_rows_in_rows_out(score):
    found = score(lane(Choosy(set())), [5, 6, 7], rows=[0, 2])
    assert found.rows.tolist() == [0, 2]
    assert found.names == ("score",)
    assert found.values.tolist() == [[5], [7]]
    assert found.failures == {}


def test_no_rows_is_no_call(score):
    runtime = Choosy(set())
    built = lane(runtime)
    calls = runtime.calls
    found = score(built, [5], rows=[])
    assert found.values.shape == (0, 1)
    assert runtime.calls == calls


def test_bad_rows_fail_and_their_neighbours_keep_their_scores(score):
    found = score(lane(Choosy({7.0})), [5, 6, 7, 8], rows=[0, 2, 3])
    assert found.rows.tolist() == [0, 3]
    assert found.values.tolist() == [[5], [8]]
    assert {row: (f.stage, f.code, f.message) for row, f in found.failures.items()} == {
        2: ("infer", "model_error", "no such x")
    }


def test_rows_that_are_not_finite_fail(score):
    found = score(lane(Choosy(set())), [5, np.nan, np.inf])
    assert found.rows.tolist() == [0]
    assert {row: f.code for row, f in found.failures.items()} == {1: "not_finite", 2: "not_finite"}


def test_every_row_may_be_bad_while_the_model_still_answers_its_probe(score):
    found = score(lane(Choosy({6.0})), [6, 6, 6])
    assert found.rows.tolist() == []
    assert [f.code for f in found.failures.values()] == ["model_error"] * 3


def test_a_model_that_fails_for_what_it_answered_before_is_broken(score):
    runtime = Choosy(set())
    built = lane(runtime)
    runtime.refused = None
    calls = runtime.calls
    with pytest.raises(ModelError, match="fails even for a row that it answered before"):
        score(built, list(range(1000)))
    assert runtime.calls == calls + 2


def test_a_model_that_refuses_zeros_is_probed_with_its_first_healthy_row(score):
    runtime = Choosy({0.0})
    built = lane(runtime)
    assert score(built, [5, 0]).rows.tolist() == [0]
    assert score(built, [0, 0]).rows.tolist() == []
    runtime.refused = None
    with pytest.raises(ModelError, match="answered before"):
        score(built, [5, 5])


def test_a_model_that_never_answered_and_fails_for_a_whole_batch_is_broken(score):
    with pytest.raises(ModelError, match="never answered a row and fails for all 2"):
        score(lane(Choosy(None)), [1, 2])


def test_a_lone_bad_row_is_never_the_models_fault_without_evidence(score):
    assert list(score(lane(Choosy(None)), [1]).failures) == [0]


@pytest.mark.parametrize("error", [DependencyError("out of memory"), ModelError("the GPU failed")])
def test_what_is_not_the_inputs_fault_fails_no_row(score, error):
    with pytest.raises(type(error), match=str(error)):
        score(lane(Choosy({6.0}, error)), [5, 6])


def test_the_wrong_number_of_rows_is_a_contract_error(score):
    runtime = Choosy(set())
    built = lane(runtime)
    runtime.short = True
    with pytest.raises(ContractError, match=r"variant `champion`: score `score`: `y` has shape \(1,\) for 2 rows"):
        score(built, [5, 6])


def test_the_wrong_shape_is_found_while_warming_up():
    runtime = Choosy(set())
    runtime.short = True
    with pytest.raises(ContractError, match="for 256 rows"):
        lane(runtime)


def test_features_that_come_in_another_order_are_followed(events, block):
    variant = VARIANT.model_copy(update={"inputs": {"x": "w:b"}})
    built = Lane("champion", variant, EVENT, Choosy(set()))
    batch = events({"id": ["a"], "x": np.zeros(1)})
    values = np.array([[1, 2]], np.float32)
    assert built.infer(batch, block([0], ("w:a", "w:b"), values)).values.tolist() == [[2]]
    assert built.infer(batch, block([0], ("w:b", "w:a"), values)).values.tolist() == [[1]]
    with pytest.raises(ContractError, match="no event field or feature `w:b`"):
        built.infer(batch, block([0], ("w:a",), values[:, :1]))
