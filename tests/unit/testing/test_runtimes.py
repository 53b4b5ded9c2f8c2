"""The conformance check must find every way to break the promise."""

import numpy as np
import pytest

from streamapp.protocols import Signature, TensorSpec
from streamapp.testing import ConformanceError, check_runtime

SAMPLE = {"x": np.arange(40, dtype=np.float32)}


class Honest:
    """y = 2 x."""

    def __init__(self) -> None:
        self.signature = Signature((TensorSpec("x", "float32", (None,)),), (TensorSpec("y", "float32", (None,)),))
        self.closed = 0

    def infer(self, inputs):
        return {"y": inputs["x"] * 2}

    def close(self) -> None:
        self.closed += 1


class LosesRows(Honest):
    def infer(self, inputs):
        return {"y": inputs["x"][:100] * 2}


class DependsOnBatchMates(Honest):
    def infer(self, inputs):
        return {"y": inputs["x"] - inputs["x"].mean()}


class DependsOnPlace(Honest):
    def infer(self, inputs):
        return {"y": inputs["x"] + np.arange(len(inputs["x"]), dtype=np.float32)}


class Moody(Honest):
    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def infer(self, inputs):
        self.calls += 1
        return {"y": inputs["x"] * (2 if self.calls < 7 else 3)}


class WritesToInputs(Honest):
    def infer(self, inputs):
        inputs["x"].flags.writeable = True
        inputs["x"][:] = 0
        return {"y": inputs["x"] * 2}


class ReusesItsBuffer(Honest):
    def __init__(self) -> None:
        super().__init__()
        self.buffer = np.empty(256, np.float32)

    def infer(self, inputs):
        out = self.buffer[: len(inputs["x"])]
        out[:] = inputs["x"]
        return {"y": out}


class LiesAboutItsDtype(Honest):
    def infer(self, inputs):
        return {"y": inputs["x"].astype(np.int64)}


class ForgetsAnOutput(Honest):
    def infer(self, inputs):
        return {}


class FixedAxis(Honest):
    def __init__(self) -> None:
        super().__init__()
        self.signature = Signature((TensorSpec("x", "float32", ()),), self.signature.outputs)


def test_an_honest_runtime_passes_and_is_closed_twice():
    runtime = Honest()
    check_runtime(runtime, SAMPLE)
    assert runtime.closed == 2


@pytest.mark.parametrize(
    ("runtime", "message"),
    [
        (LosesRows(), r"256 rows in, but output `y` has shape \(100,\)"),
        (DependsOnBatchMates(), "1 rows alone: output `y` differs"),
        (DependsOnPlace(), "rows in another order: output `y` differs"),
        (Moody(), "the same batch again: output `y` differs"),
        (WritesToInputs(), "input `x` was modified"),
        (ReusesItsBuffer(), "was changed by scoring the next"),
        (LiesAboutItsDtype(), "output `y` is int64, its signature says float32"),
        (ForgetsAnOutput(), "output `y` has shape"),
        (FixedAxis(), "rows are its first axis"),
    ],
)
def test_a_broken_promise_is_named(runtime, message):
    with pytest.raises(ConformanceError, match=message):
        check_runtime(runtime, SAMPLE)


def test_the_sample_must_fit_the_signature():
    with pytest.raises(ConformanceError, match=r"inputs are \['x'\], the sample has \['z'\]"):
        check_runtime(Honest(), {"z": np.zeros(1)})
