"""Rows to try a model with, and what must hold for its answers."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from streamapp.errors import ConfigError, ContractError
from streamapp.protocols import Signature, TensorSpec
from streamapp.registering.tensors import tensor_text
from streamapp.types import Array

_ROWS = 8
_MAX_BYTES = 64 << 20


def random_rows(signature: Signature) -> dict[str, Array]:
    """Input name -> 8 rows: normal floats, zeros and ones as integers, the text `a`. A free axis has length 1."""
    draw = np.random.default_rng(0)
    return {spec.name: _random(spec, draw) for spec in signature.inputs}


def _random(spec: TensorSpec, draw: np.random.Generator) -> Array:
    shape = (_ROWS, *(1 if size is None else size for size in spec.shape[1:]))
    if spec.dtype == "str":
        return np.full(shape, "a", object)
    dtype = np.dtype(spec.dtype)
    if dtype.kind == "f":
        return draw.normal(size=shape).astype(dtype)
    return draw.integers(0, 2, size=shape).astype(dtype)


def read_rows(path: Path, signature: Signature) -> dict[str, Array]:
    """Input name -> rows, from a JSON object of lists. Raises `ConfigError`."""
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise ConfigError(f"sample {path.name}: larger than {_MAX_BYTES >> 20} MiB; a few rows are enough")
        given = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(f"sample {path.name}: cannot be read as JSON: {error}") from error
    names = {spec.name for spec in signature.inputs}
    if not isinstance(given, dict) or set(given) != names:
        raise ConfigError(f"sample {path.name}: must be an object with the model's inputs: {', '.join(sorted(names))}")
    rows = {spec.name: _given(spec, given[spec.name], path) for spec in signature.inputs}
    counts = {name: len(values) for name, values in rows.items()}
    if len(set(counts.values())) != 1 or 0 in counts.values():
        raise ConfigError(f"sample {path.name}: every input needs the same number of rows, at least one: {counts}")
    return rows


def _given(spec: TensorSpec, values: object, path: Path) -> Array:
    try:
        array = np.array(values, object if spec.dtype == "str" else np.dtype(spec.dtype))
    except (ValueError, TypeError, OverflowError) as error:
        raise ConfigError(f"sample {path.name}: `{spec.name}` is not {tensor_text(spec)}: {error}") from error
    if not _fits(spec, array):
        raise ConfigError(f"sample {path.name}: `{spec.name}` has shape {array.shape}, not {tensor_text(spec)}")
    return array


def check_answer(signature: Signature, outputs: Mapping[str, Array], rows: int) -> None:
    """Raise `ContractError` unless every output has `rows` rows, its dtype and shape, and some finite number."""
    for spec in signature.outputs:
        values = outputs.get(spec.name)
        if values is None:
            raise ContractError(f"the model gave no output `{spec.name}`")
        if values.ndim == 0 or len(values) != rows or not _fits(spec, values) or not _same_kind(spec, values):
            shape = ",".join(map(str, values.shape))
            raise ContractError(
                f"{rows} rows in, but output `{spec.name}` is {values.dtype}[{shape}], not {tensor_text(spec)}"
            )
        if values.dtype.kind == "f" and values.size and not np.isfinite(values).any():
            raise ContractError(
                f"output `{spec.name}` is NaN or infinite for all {rows} rows; try real ones (--sample)"
            )


def _fits(spec: TensorSpec, values: Array) -> bool:
    return values.ndim == len(spec.shape) and all(
        size is None or size == found for size, found in zip(spec.shape[1:], values.shape[1:], strict=True)
    )


def _same_kind(spec: TensorSpec, values: Array) -> bool:
    return values.dtype.kind in "OUS" if spec.dtype == "str" else values.dtype == np.dtype(spec.dtype)
