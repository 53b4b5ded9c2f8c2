import numpy as np
import pytest

from streamapp.config.settings import OutputSettings
from streamapp.errors import ContractError
from streamapp.infer.outputs import not_finite, take_scores


def test_columns_by_name():
    tensors = {"p": np.array([[0.1, 0.9], [0.2, 0.8]], np.float32), "n": np.array([3, 4])}
    wanted = {"late": OutputSettings(tensor="p", column=1), "count": OutputSettings(tensor="n")}
    scores = take_scores(tensors, wanted, 2)
    assert scores.dtype == np.float64
    np.testing.assert_allclose(scores, [[0.9, 3], [0.8, 4]], rtol=1e-6)


@pytest.mark.parametrize(
    ("tensor", "column", "message"),
    [
        (np.zeros((3, 2)), 0, r"shape \(3, 2\) for 2 rows"),
        (np.zeros((2, 2, 1)), 0, "for 2 rows"),
        (np.zeros(()), 0, "for 2 rows"),
        (np.zeros((2, 2)), 2, "no column 2"),
        (np.zeros(2), 1, "no column 1"),
        (np.array(["a", "b"]), 0, "a score is a number"),
    ],
)
def test_the_wrong_shape_is_a_contract_error(tensor: np.ndarray, column: int, message: str):
    with pytest.raises(ContractError, match=message):
        take_scores({"p": tensor}, {"s": OutputSettings(tensor="p", column=column)}, 2)


def test_a_missing_tensor_is_a_contract_error():
    with pytest.raises(ContractError, match="gave no `p`, only q"):
        take_scores({"q": np.zeros(1)}, {"s": OutputSettings(tensor="p")}, 1)


def test_rows_that_are_not_finite_are_named_with_output_and_value():
    failures = not_finite(np.array([[1, 2], [1, np.nan], [-np.inf, 2]]), ("a", "b"))
    assert {row: (f.code, f.field, f.value) for row, f in failures.items()} == {
        1: ("not_finite", "b", "nan"),
        2: ("not_finite", "a", "-inf"),
    }
    assert not_finite(np.ones((2, 2)), ("a", "b")) == {}
