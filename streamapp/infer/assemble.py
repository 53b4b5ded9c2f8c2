"""Event columns and features to model inputs. Names are resolved once; a batch costs column gathers only."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from streamapp.errors import ContractError
from streamapp.infer.sources import Offer, Source, Wanted
from streamapp.protocols import Signature
from streamapp.types import Array, Column, EventBatch, FeatureBlock, Int64


@dataclass(frozen=True, slots=True)
class _Piece:
    """Columns [start, stop) of an input: an event field, or the features at `features`."""

    start: int
    stop: int
    field: str = ""
    features: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class InputPlan:
    """How one model input is filled. shape: what follows the row axis; width: its size; whole: the block's feature
    matrix is the input as it stands."""

    name: str
    dtype: npt.DTypeLike
    shape: tuple[int, ...]
    width: int
    pieces: tuple[_Piece, ...]
    whole: bool = False

    def fill(self, events: EventBatch, block: FeatureBlock) -> Array:
        """The input for the block's m rows: shape (m, *shape), C-contiguous."""
        if self.whole:
            return block.values
        m = len(block.rows)
        matrix = np.empty((m, self.width), self.dtype)
        for piece in self.pieces:
            if piece.field:
                matrix[:, piece.start : piece.stop] = _gather(events.columns[piece.field], block.rows, piece)
            else:
                matrix[:, piece.start : piece.stop] = _columns(block.values, piece.features)
        return matrix.reshape(m, *self.shape)

    def zeros(self, m: int) -> Array:
        """m rows of zeros, or of empty strings."""
        return np.full((m, *self.shape), "" if self.dtype is object else 0, self.dtype)


@dataclass(frozen=True, slots=True)
class Plan:
    """How every input of one model is filled from a batch, for features named `features`."""

    inputs: tuple[InputPlan, ...]
    features: tuple[str, ...]

    def assemble(self, events: EventBatch, block: FeatureBlock) -> dict[str, Array]:
        """Model inputs for the block's m rows. A None string becomes "". An input may be the block's own matrix:
        read it, don't write to it."""
        with np.errstate(over="ignore", invalid="ignore"):
            return {plan.name: plan.fill(events, block) for plan in self.inputs}

    def zeros(self, m: int) -> dict[str, Array]:
        """Inputs of m rows of zeros, for warming up."""
        return {plan.name: plan.zeros(m) for plan in self.inputs}


def compile_plan(inputs: Mapping[str, Wanted], signature: Signature, offer: Offer, features: tuple[str, ...]) -> Plan:
    """Resolve names to places. Raises `ContractError` where they do not fit; `check_contract` says it better."""
    plans: list[InputPlan] = []
    for spec in signature.inputs:
        wanted = inputs.get(spec.name)
        if wanted is None:
            raise ContractError(f"model input `{spec.name}` is given nothing")
        supply = offer.supply(spec, wanted)
        if supply.problem:
            raise ContractError(f"model input `{spec.name}`: {supply.problem}")
        pieces = _pieces(supply.sources)
        trailing = spec.shape[1:]
        shape = (
            tuple(dim or supply.width for dim in trailing) if len(trailing) == 1 else tuple(d or 1 for d in trailing)
        )
        whole = (
            spec.dtype == "float32"
            and len(trailing) == 1
            and pieces == (_Piece(0, len(features), "", _up_to(features)),)
        )
        dtype: npt.DTypeLike = object if spec.dtype == "str" else np.dtype(spec.dtype)
        plans.append(InputPlan(spec.name, dtype, shape, supply.width, pieces, whole))
    return Plan(tuple(plans), features)


def _up_to(features: tuple[str, ...]) -> tuple[int, ...]:
    return tuple(range(len(features)))


def _pieces(sources: tuple[Source, ...]) -> tuple[_Piece, ...]:
    """Sources side by side; neighbouring features become one gather."""
    pieces: list[_Piece] = []
    start = 0
    for source in sources:
        stop = start + source.width
        if source.feature is None:
            pieces.append(_Piece(start, stop, field=source.name))
        elif pieces and pieces[-1].features:
            pieces[-1] = _Piece(pieces[-1].start, stop, features=(*pieces[-1].features, source.feature))
        else:
            pieces.append(_Piece(start, stop, features=(source.feature,)))
        start = stop
    return tuple(pieces)


def _gather(column: Column, rows: Int64, piece: _Piece) -> Array:
    """The column's rows as (m, width)."""
    if isinstance(column, list):
        texts = np.empty((len(rows), 1), object)
        texts[:, 0] = [column[row] or "" for row in rows.tolist()]
        return texts
    picked = column if len(rows) == len(column) else column[rows]
    return picked.reshape(len(rows), piece.stop - piece.start)


def _columns(values: Array, features: tuple[int, ...]) -> Array:
    first, last = features[0], features[-1]
    if features == tuple(range(first, last + 1)):
        return values[:, first : last + 1]
    return values[:, list(features)]
