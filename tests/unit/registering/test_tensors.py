import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamapp.errors import ConfigError, ContractError
from streamapp.protocols import Signature, TensorSpec
from streamapp.registering.tensors import check_said, declared_signature, parse_tensor, tensor_text

SIZES = st.lists(st.none() | st.integers(1, 9), max_size=3)
X = TensorSpec("x", "float32", (None, 3))
P = TensorSpec("p", "float32", (None, 1))


@given(st.sampled_from(["float32", "int64", "str", "bool"]), SIZES)
def test_a_tensor_is_read_as_it_is_written(dtype, sizes):
    spec = TensorSpec("x", dtype, (None, *sizes))
    assert parse_tensor(tensor_text(spec)) == spec


@pytest.mark.parametrize("text", ["", "x", "x:float32", "x:float99[rows]", "x:float32[a]", ":float32[rows]", "x[3]"])
def test_what_declares_no_tensor(text):
    with pytest.raises(ConfigError):
        declared_signature([text], [])


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        (Signature((TensorSpec("y", "float32", (None, 3)),), ()), "no input `y` .it has x."),
        (Signature((TensorSpec("x", "float64", (None, 3)),), ()), "x:float64.* there, x:float32"),
        (Signature((TensorSpec("x", "float32", (None,)),), ()), "there"),
        (Signature((X,), (TensorSpec("q", "float32", (None, 1)),)), "no output `q`"),
        (Signature((), (P,)), "input x:float32.* is missing there"),
    ],
)
def test_what_is_said_must_fit(said, problem):
    with pytest.raises(ContractError, match=problem):
        check_said(said, Signature((X,), (P,)), "config.pbtxt")


def test_free_axes_and_left_out_outputs_fit():
    check_said(Signature((TensorSpec("x", "float32", (8, None)),), ()), Signature((X,), (P,)), "config.pbtxt")
