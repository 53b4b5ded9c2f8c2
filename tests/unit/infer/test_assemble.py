import numpy as np
import pytest

from streamapp.config.settings import EventSettings, FieldSettings
from streamapp.errors import ContractError
from streamapp.infer.assemble import Plan, compile_plan
from streamapp.infer.sources import Offer
from streamapp.protocols import Signature, TensorSpec

EVENT = EventSettings(
    id="id",
    fields={
        "id": FieldSettings(dtype="string"),
        "a": FieldSettings(dtype="float64"),
        "b": FieldSettings(dtype="int32"),
        "v": FieldSettings(dtype="float32[4]"),
    },
)
COLUMNS = {
    "id": ["x", None, "z"],
    "a": np.array([1.0, 2.0, np.nan]),
    "b": np.array([10, 20, 30], np.int32),
    "v": np.arange(12, dtype=np.float32).reshape(3, 4),
}
FEATURES = ("w:p", "w:q", "w:r")
VALUES = np.array([[1, 2, 3], [4, 5, 6]], np.float32)


def plan(wanted: str | tuple[str, ...], dtype: str, *trailing: int | None) -> Plan:
    signature = Signature((TensorSpec("x", dtype, (None, *trailing)),), ())
    return compile_plan({"x": wanted}, signature, Offer(EVENT, FEATURES), FEATURES)


def test_a_matrix_of_fields_and_features_in_the_order_named(events, block):
    found = plan(("w:r", "a", "w:p", "w:q", "b"), "float32", 5).assemble(
        events(COLUMNS), block([0, 2], FEATURES, VALUES)
    )
    assert found["x"].dtype == np.float32
    np.testing.assert_array_equal(found["x"], [[3, 1, 1, 2, 10], [6, np.nan, 4, 5, 30]])
    assert found["x"].flags.c_contiguous


def test_all_features_in_order_are_passed_on_without_a_copy(events, block):
    rows = block([0, 2], FEATURES, VALUES)
    assert plan(FEATURES, "float32", 3).assemble(events(COLUMNS), rows)["x"] is rows.values
    np.testing.assert_array_equal(
        plan(FEATURES[::-1], "float32", 3).assemble(events(COLUMNS), rows)["x"], VALUES[:, ::-1]
    )


@pytest.mark.parametrize(("trailing", "shape"), [((), (3,)), ((1,), (3, 1)), ((None,), (3, 1))])
def test_a_scalar_takes_the_shape_the_model_wants(events, block, trailing, shape):
    found = plan("b", "int64", *trailing).assemble(events(COLUMNS), block([0, 1, 2], FEATURES))["x"]
    assert found.dtype == np.int64
    assert found.shape == shape
    assert found.ravel().tolist() == [10, 20, 30]


def test_a_vector_is_reshaped_to_the_models_axes(events, block):
    found = plan("v", "float32", 1, 2, 2).assemble(events(COLUMNS), block([1], FEATURES))["x"]
    assert found.tolist() == [[[[4, 5], [6, 7]]]]


def test_strings_become_objects_and_none_becomes_empty(events, block):
    found = plan("id", "str", 1).assemble(events(COLUMNS), block([0, 1], FEATURES))["x"]
    assert found.dtype == object
    assert found.tolist() == [["x"], [""]]


def test_a_number_too_large_for_float32_becomes_infinite_without_a_warning(events, block):
    found = plan("a", "float32").assemble(events({**COLUMNS, "a": np.array([1e300, 0, 0])}), block([0], FEATURES))["x"]
    assert found.tolist() == [np.inf]


def test_the_batch_is_not_written_to(events, block):
    batch = events(COLUMNS)
    found = plan("v", "float32", 4).assemble(batch, block([0, 1, 2], FEATURES))["x"]
    found[:] = -1
    assert batch.columns["v"][0, 1] == 1


@pytest.mark.parametrize(("dtype", "filler"), [("float32", 0.0), ("str", "")])
def test_zeros(dtype, filler):
    name = "v" if dtype == "float32" else "id"
    zeros = plan(name, dtype, None).zeros(2)["x"]
    assert zeros.shape == (2, 4 if name == "v" else 1)
    assert (zeros == filler).all()


@pytest.mark.parametrize("wanted", [{"y": "a"}, {"x": "nope"}])
def test_what_does_not_fit_is_refused(wanted):
    with pytest.raises(ContractError, match="model input `x`"):
        compile_plan(wanted, Signature((TensorSpec("x", "float32", (None,)),), ()), Offer(EVENT, ()), ())
