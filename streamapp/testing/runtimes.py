"""What every `streamapp.protocols.Runtime` promises, checked on a loaded model."""

from collections.abc import Mapping

import numpy as np

from streamapp.infer.rows import free_rows
from streamapp.protocols import Runtime
from streamapp.types import Array

Tensors = Mapping[str, Array]

_BATCH_ROWS = (1, 2, 7, 256)
_KINDS = {"b": "b", "i": "iu", "u": "iu", "f": "f", "U": "OUS"}


class ConformanceError(AssertionError):
    """A runtime breaks a promise; the message says which."""


def check_runtime(runtime: Runtime, sample: Tensors, rtol: float = 1e-4, atol: float = 1e-5) -> None:
    """Check `runtime` with rows drawn from `sample`: input name -> array of at least one row, as the signature says.

    N rows in are N rows out for N in 1, 2, 7, 256; a row's scores depend neither on its batch-mates nor on its place
    (within the tolerances: kernels differ by batch size); the same call gives the same answer; dtypes are the
    signature's; inputs stay as they were, also read-only ones; outputs stay as they are when the next batch is
    scored. Closes the runtime, twice. Raises `ConformanceError`.
    """
    free = free_rows(runtime)
    _check_sample(free, sample)
    batch = _drawn(sample, max(_BATCH_ROWS))
    expected = _copied(_infer(free, batch))
    for rows in _BATCH_ROWS:
        part = {name: values[:rows] for name, values in batch.items()}
        _same(_infer(free, part), {n: v[:rows] for n, v in expected.items()}, f"{rows} rows alone", rtol, atol)
    order = np.random.default_rng(7).permutation(max(_BATCH_ROWS))
    shuffled = _infer(free, {name: values[order] for name, values in batch.items()})
    _same(shuffled, {name: values[order] for name, values in expected.items()}, "rows in another order", rtol, atol)
    kept = _infer(free, batch)
    held = _copied(kept)
    _same(kept, expected, "the same batch again", rtol, atol)
    _infer(free, {name: values[::-1] for name, values in batch.items()})
    for name, values in kept.items():
        if not np.array_equal(values, held[name], equal_nan=values.dtype.kind == "f"):
            raise ConformanceError(f"output `{name}` of one batch was changed by scoring the next; copy it")
    free.close()
    free.close()


def _check_sample(runtime: Runtime, sample: Tensors) -> None:
    names = {spec.name for spec in runtime.signature.inputs}
    if not names or names != set(sample):
        raise ConformanceError(f"the signature's inputs are {sorted(names)}, the sample has {sorted(sample)}")
    for spec in runtime.signature.inputs:
        if spec.shape[:1] != (None,):
            raise ConformanceError(f"input `{spec.name}` has shape {spec.shape}; rows are its first axis, None if free")


def _drawn(sample: Tensors, rows: int) -> dict[str, Array]:
    """`rows` rows, drawn with a fixed seed."""
    available = len(next(iter(sample.values())))
    picks = np.random.default_rng(3).integers(available, size=rows)
    return {name: values[picks] for name, values in sample.items()}


def _infer(runtime: Runtime, inputs: Tensors) -> Tensors:
    """Score, with everything checked that can be seen from one call."""
    rows = len(next(iter(inputs.values())))
    given = {name: np.ascontiguousarray(values) for name, values in inputs.items()}
    before = _copied(given)
    for values in given.values():
        values.flags.writeable = False
    outputs = runtime.infer(given)
    for name, values in given.items():
        if not np.array_equal(values, before[name], equal_nan=values.dtype.kind == "f"):
            raise ConformanceError(f"input `{name}` was modified")
    for spec in runtime.signature.outputs:
        values = outputs.get(spec.name, np.empty(()))
        if spec.name not in outputs or values.ndim == 0 or len(values) != rows:
            raise ConformanceError(f"{rows} rows in, but output `{spec.name}` has shape {values.shape}")
        kind = np.dtype(spec.dtype).kind
        if values.dtype.kind not in _KINDS[kind]:
            raise ConformanceError(f"output `{spec.name}` is {values.dtype}, its signature says {spec.dtype}")
    return outputs


def _same(found: Tensors, expected: Tensors, case: str, rtol: float, atol: float) -> None:
    for name, values in expected.items():
        if values.dtype.kind == "f":
            equal = np.allclose(found[name], values, rtol=rtol, atol=atol, equal_nan=True)
        else:
            equal = np.array_equal(found[name], values)
        if not equal:
            raise ConformanceError(f"{case}: output `{name}` differs from the same rows scored among 256 others")


def _copied(tensors: Tensors) -> dict[str, Array]:
    return {name: values.copy() for name, values in tensors.items()}
