"""Tensors as people write and read them: `x:float32[rows,3]`."""

import re
from collections.abc import Sequence

import numpy as np

from streamapp.errors import ConfigError, ContractError
from streamapp.protocols import Signature, TensorSpec

_TENSOR = re.compile(r"(?P<name>[^:\[\]]+):(?P<dtype>[a-z0-9]+)\[(?P<shape>[^\[\]]*)\]")
_FREE = ("rows", "?", "null", "-1", "")


def parse_tensor(text: str) -> TensorSpec:
    """One tensor of a declared signature; `rows` and `?` are free axes. Raises `ConfigError`.

    >>> parse_tensor("x:float32[rows,3]")
    TensorSpec(name='x', dtype='float32', shape=(None, 3))
    """
    found = _TENSOR.fullmatch(text.strip())
    if found is None:
        raise ConfigError(f"`{text}` declares no tensor: write NAME:DTYPE[rows,3], such as x:float32[rows,3]")
    if found["dtype"] != "str":
        try:
            np.dtype(found["dtype"])
        except TypeError:
            raise ConfigError(f"`{text}`: NumPy has no dtype `{found['dtype']}`; such as float32, int64, str") from None
    try:
        shape = tuple(None if axis.strip() in _FREE else int(axis) for axis in found["shape"].split(","))
    except ValueError:
        raise ConfigError(f"`{text}`: an axis is a number, `rows` or `?`") from None
    return TensorSpec(found["name"].strip(), found["dtype"], shape)


def declared_signature(inputs: Sequence[str], outputs: Sequence[str]) -> Signature | None:
    """None where nothing is declared. Raises `ConfigError`."""
    if not inputs and not outputs:
        return None
    return Signature(tuple(map(parse_tensor, inputs)), tuple(map(parse_tensor, outputs)))


def tensor_text(spec: TensorSpec) -> str:
    """
    >>> tensor_text(TensorSpec("x", "float32", (None, 3)))
    'x:float32[rows,3]'
    """
    axes = ["rows" if i == 0 and n is None else "?" if n is None else str(n) for i, n in enumerate(spec.shape)]
    return f"{spec.name}:{spec.dtype}[{','.join(axes)}]"


def check_said(said: Signature, found: Signature, where: str) -> None:
    """Raise `ContractError` if `where` says other names, dtypes or shapes than the model itself has.

    A free axis fits any size, and the row axis is not compared. Outputs may be left out, inputs not.
    """
    problems = [_problem(spec, found.inputs, "input") for spec in said.inputs]
    problems += [_problem(spec, found.outputs, "output") for spec in said.outputs]
    known = {spec.name for spec in said.inputs}
    problems += [f"input {tensor_text(spec)} is missing there" for spec in found.inputs if spec.name not in known]
    told = [problem for problem in problems if problem]
    if told:
        raise ContractError(f"{where} and the model do not match: {'; '.join(told)}")


def _problem(said: TensorSpec, specs: Sequence[TensorSpec], role: str) -> str:
    found = next((spec for spec in specs if spec.name == said.name), None)
    if found is None:
        return f"the model has no {role} `{said.name}` (it has {', '.join(spec.name for spec in specs)})"
    fits = len(said.shape) == len(found.shape) and all(
        a is None or b is None or a == b for a, b in zip(said.shape[1:], found.shape[1:], strict=True)
    )
    if said.dtype == found.dtype and fits:
        return ""
    return f"{role} {tensor_text(said)} there, {tensor_text(found)} in the model"
