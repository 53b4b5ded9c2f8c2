"""What a view's policy makes of the rows that came, or did not come, from the store."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Literal

import numpy as np
import numpy.typing as npt

from streamapp.types import Failure, Float32, Freshness, Int64, UInt8

Bools = npt.NDArray[np.bool_]


class Found(IntEnum):
    """What the lookup of one row came to."""

    ROW = 0
    NO_ROW = 1
    NO_ENTITY = 2
    UNAVAILABLE = 3


@dataclass(frozen=True, slots=True, eq=False)
class ViewContract:
    """The freshness contract of one view in one variant. features: k names. join_keys: the event fields that
    name the entity. max_age_s: None for no limit. defaults float32 (k,), NaN where none is set."""

    view: str
    features: tuple[str, ...]
    join_keys: tuple[str, ...]
    max_age_s: float | None
    policy: Literal["serve", "default", "reject"]
    defaults: Float32


@dataclass(frozen=True, slots=True, eq=False)
class Judgement:
    """m rows judged. ages_s float32 (m,), NaN where there is no row. freshness uint8 (m,). rejected: position
    among the m -> why."""

    ages_s: Float32
    freshness: UInt8
    rejected: dict[int, Failure]


def judge(contract: ViewContract, values: Float32, event_times_ms: Int64, found: UInt8, now_ms: Int64) -> Judgement:
    """Apply the contract to m rows; `values`, float32 (m, k), is completed in place.

    event_times_ms int64 (m,) and values are filler where found, uint8 (m,), is not `Found.ROW`; now_ms is int64
    (m,) or (1,). The age is now minus the event timestamp, and as negative as it comes. A value is missing where
    its row, or only it, is: NaN under `serve`, the default under `default`, and `reject` fails the row. While the
    store is unavailable rows take the defaults, whatever the policy.
    """
    has_row = found == Found.ROW
    age_ms = np.where(has_row, now_ms - np.where(has_row, event_times_ms, 0), 0)
    ages_s = np.where(has_row, age_ms / 1000.0, np.nan).astype(np.float32)
    stale = np.zeros(len(found), np.bool_) if contract.max_age_s is None else age_ms > contract.max_age_s * 1000.0
    absent = (found == Found.NO_ROW) | (found == Found.NO_ENTITY)
    values[~has_row] = np.nan
    empty = np.isnan(values)
    incomplete = has_row & empty.any(axis=1)
    freshness = np.full(len(found), Freshness.FRESH, np.uint8)
    rejected: dict[int, Failure] = {}
    if contract.policy == "serve":
        freshness[stale | absent] = Freshness.STALE_SERVED
    elif contract.policy == "default":
        replaced = empty | stale[:, None]
        np.copyto(values, contract.defaults, where=replaced)
        freshness[stale | absent | incomplete] = Freshness.DEFAULTED
    else:
        for row in np.flatnonzero(stale | absent | incomplete).tolist():
            rejected[row] = _rejection(contract, Found(found[row]), float(ages_s[row]), bool(stale[row]), empty[row])
    unavailable = found == Found.UNAVAILABLE
    values[unavailable] = contract.defaults
    freshness[unavailable] = Freshness.UNAVAILABLE_DEFAULTED
    return Judgement(ages_s, freshness, rejected)


def _rejection(contract: ViewContract, found: Found, age_s: float, stale: bool, empty: Bools) -> Failure:
    view = contract.view
    if found is Found.NO_ENTITY:
        keys = ", ".join(contract.join_keys)
        message = f"no usable value of {keys}, which names the entity of feature view {view}"
        return Failure("enrich", "entity_missing", message, keys, f"entity of {view}")
    if found is Found.NO_ROW:
        message = f"feature view {view} has no row for this entity"
        return Failure("enrich", "feature_missing", message, view, "row")
    if stale:
        message = f"feature view {view} is {age_s:.1f} s old, {contract.max_age_s:g} s allowed"
        return Failure("enrich", "feature_stale", message, view, f"max_age_s={contract.max_age_s:g}", f"{age_s:.3f}")
    names = [f"{view}:{name}" for name, missing in zip(contract.features, empty.tolist(), strict=True) if missing]
    message = f"feature {', '.join(names)} has no value for this entity"
    return Failure("enrich", "feature_missing", message, names[0], "value")
