import numpy as np
import pytest

from streamapp.errors import ContractError
from streamapp.infer.rows import free_rows, in_chunks
from streamapp.protocols import Signature, TensorSpec


class Doubling:
    """Doubles `x`; sees only batches of its own size."""

    def __init__(self, *shapes: tuple[int | None, ...], out_rows: int | None = None) -> None:
        self.signature = Signature(
            tuple(TensorSpec(f"x{i}", "float32", shape) for i, shape in enumerate(shapes)),
            (TensorSpec("y", "float32", (shapes[0][0] if shapes[0] else None,)),),
        )
        self.out_rows = out_rows
        self.seen: list[list[float]] = []
        self.closed = False

    def infer(self, inputs):
        self.seen.append(inputs["x0"].tolist())
        return {"y": (inputs["x0"] * 2)[: self.out_rows]}

    def close(self) -> None:
        self.closed = True


def test_a_fixed_batch_is_fed_in_chunks_with_the_last_row_repeated():
    inner = Doubling((3,))
    runtime = free_rows(inner)
    assert runtime.signature.inputs[0].shape == (None,)
    assert runtime.signature.outputs[0].shape == (None,)
    assert runtime.infer({"x0": np.arange(5.0)})["y"].tolist() == [0, 2, 4, 6, 8]
    assert inner.seen == [[0, 1, 2], [3, 4, 4]]
    runtime.close()
    assert inner.closed


def test_a_free_batch_is_left_alone():
    inner = Doubling((None, 3))
    assert free_rows(inner) is inner


@pytest.mark.parametrize("shapes", [((3,), (4,)), ((3,), (None,))])
def test_inputs_that_disagree_are_refused(shapes):
    with pytest.raises(ContractError, match="do not share one row axis: x0"):
        free_rows(Doubling(*shapes))


def test_an_output_without_the_rows_is_refused():
    with pytest.raises(ContractError, match=r"takes 3 rows at once but its output `y` has shape \(1,\)"):
        free_rows(Doubling((3,), out_rows=1)).infer({"x0": np.arange(4.0)})


@pytest.mark.parametrize(
    ("least", "most", "sizes"), [(1, None, [5]), (8, None, [8]), (2, 4, [4, 2]), (1, 2, [2, 2, 1])]
)
def test_least_and_most(least: int, most: int | None, sizes: list[int]):
    seen = []

    def infer(inputs):
        seen.append(len(inputs["x"]))
        return {"y": inputs["x"]}

    found = in_chunks(infer, {"x": np.arange(5)}, least, most)["y"]
    assert found.tolist() == [0, 1, 2, 3, 4]
    assert seen == sizes
