"""The lines that the report reads, in the order of their time."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson

from streamapp.collect.answers import Bool
from streamapp.collect.dealing import Dealing
from streamapp.collect.exposures import Exposures
from streamapp.types import Float64, Int16, Int32, Int64

_CHUNK = 10_000


@dataclass(frozen=True, slots=True, eq=False)
class Told:
    """k lines in the order of their time. units int32, arms int16, times_ms int64 (k,). values float64 (k, m) by
    `metrics`, NaN where the line says nothing of it. first bool (k,): whether the line is its unit's first."""

    metrics: tuple[str, ...]
    units: Int32
    arms: Int16
    times_ms: Int64
    values: Float64
    first: Bool


def told(
    exposures: Exposures,
    units: Int32,
    metrics: Sequence[str],
    values: Float64,
    labelled: Int64,
    label_values: Float64,
    label_ms: Int64,
) -> Told:
    """Exposures and labels as lines.

    units int32 (k,), values float64 (k, m): of k exposures, NaN where a metric is no exposure's. labelled int64 (l,):
    indices into them. label_values float64 (l, m), label_ms int64 (l,): a label that is older than its answer became
    known with it. An exposure that says nothing new is left out: without values the first one of a unit to an arm in a
    period is enough.
    """
    kept = np.asarray(~np.isnan(values).all(axis=1), np.bool_)
    _, seen = np.unique(np.stack([units, exposures.arms, exposures.periods]), axis=1, return_index=True)
    kept[seen] = True
    rows = np.concatenate([np.flatnonzero(kept), labelled])
    known_ms = np.maximum(label_ms, exposures.times_ms[labelled])
    times_ms = np.concatenate([exposures.times_ms[kept], known_ms])
    order = np.argsort(times_ms, kind="stable")
    rows, both = rows[order], np.concatenate([values[kept], label_values])[order]
    _, first = np.unique(units[rows], return_index=True)
    is_first = np.zeros(len(rows), np.bool_)
    is_first[first] = True
    return Told(tuple(metrics), units[rows], exposures.arms[rows], times_ms[order], both, is_first)


def lines(
    header: Mapping[str, Any],
    dealing: Dealing,
    periods: Sequence[int],
    starts_ms: Sequence[int],
    found: Told,
    units: Sequence[str],
    covariates: Mapping[str, Float64],
    until_ms: int,
) -> Iterator[bytes]:
    """JSON lines: the header, then weights of `periods` (but the first) from `starts_ms` on, among outcomes up to
    `until_ms`, and that time. covariates: metric -> float64 (units,), NaN for none."""
    yield orjson.dumps(header)
    names = dealing.arms.names
    pending = list(zip(starts_ms, periods, strict=True))[1:]
    for unit, arm, time_ms, values, first in _rows(found, until_ms):
        while pending and pending[0][0] <= time_ms:
            start_ms, period = pending.pop(0)
            yield orjson.dumps({"weights": dealing.periods[period].weights(dealing.arms), "time": start_ms})
        line: dict[str, Any] = {"unit": units[unit], "variant": names[arm], "time": time_ms}
        line["values"] = {name: x for name, x in zip(found.metrics, values, strict=True) if x == x}
        if first and covariates:
            line["covariates"] = {name: float(of[unit]) for name, of in covariates.items() if of[unit] == of[unit]}
        yield orjson.dumps(line)
    yield orjson.dumps({"until": until_ms})


def _rows(found: Told, until_ms: int) -> Iterator[tuple[int, int, int, list[float], bool]]:
    """Unit, arm, time, values and whether it is the first, line by line; some at a time become Python's objects."""
    end = int(np.searchsorted(found.times_ms, until_ms, side="right"))
    for start in range(0, end, _CHUNK):
        part = slice(start, min(start + _CHUNK, end))
        columns = (found.units, found.arms, found.times_ms, found.values, found.first)
        yield from zip(*(column[part].tolist() for column in columns), strict=True)
