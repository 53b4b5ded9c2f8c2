"""Names, dtypes and shapes of torch models."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from streamapp.errors import ContractError
from streamapp.protocols import Signature, TensorSpec


@dataclass(frozen=True, slots=True)
class Exported:
    """How to call an exported program: input names by position and by keyword; rows: least and most at once."""

    signature: Signature
    positional: tuple[str, ...]
    by_keyword: Mapping[str, str]
    rows: tuple[int, int | None]


def fitted_to_forward(declared: Signature, arguments: Sequence[tuple[str, bool]]) -> Signature:
    """`declared`, once its inputs are the arguments of forward, given as (name, has a default).

    Raises `ContractError` that names both.
    """
    names = {spec.name for spec in declared.inputs}
    known = {name for name, _ in arguments}
    needed = {name for name, optional in arguments if not optional}
    if not needed <= names <= known:
        raise ContractError(
            f"forward takes ({', '.join(name for name, _ in arguments)}), but `signature_inputs` declares "
            f"({', '.join(sorted(names))}); name them alike"
        )
    texts = [spec.name for spec in declared.inputs if spec.dtype == "str"]
    if texts:
        raise ContractError(f"torch has no strings; input `{texts[0]}` cannot be `str`")
    return declared


def exported_signature(program: torch.export.ExportedProgram, declared: Signature | None) -> Exported:
    """Read an exported program's signature. Raises `ContractError` for inputs or outputs that are not flat tensors."""
    values = {node.name: node.meta.get("val") for node in program.graph.nodes}
    names = list(program.graph_signature.user_inputs)
    if not names or not all(isinstance(name, str) and isinstance(values[name], torch.Tensor) for name in names):
        raise ContractError(f"forward must take tensors only, not {names}")
    arguments, keywords = program.call_spec.in_spec.children()
    if arguments.num_leaves != len(arguments.children()) or keywords.num_leaves != len(keywords.children()):
        raise ContractError("forward must take tensors only, not lists or dicts of them")
    inputs = tuple(_spec(name, values[name]) for name in names)
    positional = tuple(names[: arguments.num_leaves])
    by_keyword = dict(zip(keywords.context, names[arguments.num_leaves :], strict=True))
    outputs = _outputs(program, values, declared)
    return Exported(Signature(inputs, outputs), positional, by_keyword, _rows(program, values[names[0]]))


def _outputs(
    program: torch.export.ExportedProgram, values: Mapping[str, Any], declared: Signature | None
) -> tuple[TensorSpec, ...]:
    nodes = list(program.graph_signature.user_outputs)
    if not all(isinstance(values.get(node), torch.Tensor) for node in nodes):
        raise ContractError(f"forward must return tensors, not {nodes}")
    spec = program.call_spec.out_spec
    names: list[str] = [str(key) for key in spec.context] if spec.type is dict else nodes
    if declared is not None and declared.outputs and spec.type is not dict:
        names = [output.name for output in declared.outputs]
    if len(names) != len(nodes):
        raise ContractError(f"the model has {len(nodes)} outputs, `signature_outputs` names {len(names)}")
    return tuple(_spec(name, values[node]) for name, node in zip(names, nodes, strict=True))


def _spec(name: str, value: torch.Tensor) -> TensorSpec:
    try:
        dtype = str(np.dtype(str(value.dtype).removeprefix("torch.")))
    except TypeError:
        raise ContractError(f"`{name}` is {value.dtype}, which NumPy does not have; it cannot be served") from None
    return TensorSpec(name, dtype, tuple(dim if isinstance(dim, int) else None for dim in value.shape))


def _rows(program: torch.export.ExportedProgram, first: torch.Tensor) -> tuple[int, int | None]:
    """Least and most rows that the program was exported for; a fixed row axis is dealt with by `free_rows`."""
    if not first.shape or isinstance(first.shape[0], int):
        return 1, None
    limits = program.range_constraints.get(first.shape[0].node.expr)
    if limits is None:
        return 1, None
    upper = str(limits.upper)
    return max(1, int(limits.lower)), int(upper) if upper.isdigit() else None
