"""Models with a say in how many rows they take at once: fixed batch axes, least and most rows."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from streamapp.errors import ContractError
from streamapp.protocols import Runtime, Signature, TensorSpec
from streamapp.types import Array

Tensors = Mapping[str, Array]


def in_chunks(infer: Callable[[Tensors], Tensors], inputs: Tensors, least: int, most: int | None) -> Tensors:
    """Score m rows with calls of `least` to `most` rows each (None: no upper limit).

    A short last chunk repeats its last row up to `least`; what the model says about the padding is dropped.
    """
    m = len(next(iter(inputs.values())))
    size = m if most is None else min(m, most)
    if size >= least and size == m:
        return infer(inputs)
    parts: list[Tensors] = []
    for start in range(0, m, size):
        rows = min(size, m - start)
        chunk = {name: _padded(values[start : start + rows], least) for name, values in inputs.items()}
        parts.append({name: values[:rows] for name, values in infer(chunk).items()})
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _padded(values: Array, least: int) -> Array:
    missing = least - len(values)
    return values if missing <= 0 else np.concatenate([values, np.repeat(values[-1:], missing, axis=0)])


class FixedRows:
    """A runtime whose model takes exactly `rows` rows at once, as one that takes any number."""

    def __init__(self, runtime: Runtime, rows: int) -> None:
        self._runtime = runtime
        self._rows = rows
        inner = runtime.signature
        self.signature = Signature(tuple(map(_freed, inner.inputs)), tuple(map(_freed, inner.outputs)))

    def infer(self, inputs: Tensors) -> Tensors:
        """Score m rows in chunks of the model's size."""
        return in_chunks(self._chunk, inputs, self._rows, self._rows)

    def close(self) -> None:
        """Free the model's memory."""
        self._runtime.close()

    def _chunk(self, inputs: Tensors) -> Tensors:
        outputs = self._runtime.infer(inputs)
        for name, values in outputs.items():
            if values.ndim == 0 or len(values) != self._rows:
                raise ContractError(
                    f"the model takes {self._rows} rows at once but its output `{name}` has shape {values.shape}; "
                    "every output needs rows as its first axis"
                )
        return outputs


def free_rows(runtime: Runtime) -> Runtime:
    """`runtime` itself if its row axis is free, else one that feeds it in chunks of the size it was exported with.

    Raises `ContractError` where inputs disagree on that size.
    """
    sizes = {spec.shape[0] for spec in runtime.signature.inputs if spec.shape and spec.shape[0] is not None}
    if not sizes:
        return runtime
    if len(sizes) > 1 or any(not spec.shape or spec.shape[0] is None for spec in runtime.signature.inputs):
        shapes = ", ".join(f"{spec.name}{list(spec.shape)}" for spec in runtime.signature.inputs)
        raise ContractError(f"the model's inputs do not share one row axis: {shapes}; export it with a free first axis")
    (rows,) = sizes
    return FixedRows(runtime, rows or 1)


def _freed(spec: TensorSpec) -> TensorSpec:
    return replace(spec, shape=(None, *spec.shape[1:])) if spec.shape else spec
