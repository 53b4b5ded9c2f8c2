"""Named scores out of a model's output tensors."""

from collections.abc import Mapping

import numpy as np

from streamapp.config.settings import OutputSettings
from streamapp.errors import ContractError
from streamapp.types import Array, Failure, Float64


def take_scores(tensors: Mapping[str, Array], wanted: Mapping[str, OutputSettings], m: int) -> Float64:
    """The wanted columns as float64 (m, o), in the order of `wanted`.

    Raises `ContractError` if a tensor is missing, is not numeric, or does not have m rows.
    """
    scores = np.empty((m, len(wanted)), np.float64)
    for place, (score, output) in enumerate(wanted.items()):
        tensor = tensors.get(output.tensor)
        if tensor is None:
            raise ContractError(f"score `{score}`: the model gave no `{output.tensor}`, only {', '.join(tensors)}")
        if tensor.dtype.kind not in "fiub":
            raise ContractError(f"score `{score}`: `{output.tensor}` is {tensor.dtype}, a score is a number")
        if tensor.ndim not in (1, 2) or len(tensor) != m:
            raise ContractError(
                f"score `{score}`: `{output.tensor}` has shape {tensor.shape} for {m} rows in; a model gives one row "
                "per row it takes"
            )
        if output.column >= (tensor.shape[1] if tensor.ndim == 2 else 1):
            raise ContractError(
                f"score `{score}`: `{output.tensor}` has shape {tensor.shape}, no column {output.column}"
            )
        scores[:, place] = tensor[:, output.column] if tensor.ndim == 2 else tensor
    return scores


def not_finite(values: Float64, names: tuple[str, ...]) -> dict[int, Failure]:
    """Place among the m rows -> failure, for every row with a NaN or infinite score."""
    finite = np.isfinite(values)
    if finite.all():
        return {}
    failures: dict[int, Failure] = {}
    for place in np.flatnonzero(~finite.all(axis=1)).tolist():
        column = int(np.argmin(finite[place]))
        shown = str(values[place, column])
        failures[place] = Failure(
            "infer", "not_finite", f"the model gave {shown} for `{names[column]}`", names[column], "finite", shown
        )
    return failures
