"""What was known of each unit before its first exposure."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from streamapp.collect.answers import Answers, Numbers
from streamapp.collect.events import Entities, Events
from streamapp.collect.exposures import Exposures
from streamapp.types import Float64, Int64


class History(Entities, Protocol):
    """`streamapp.enrich.historical.HistoricalFeatures`."""

    def read(self, view: str, keys: Sequence[Any], as_of_ms: Int64) -> Mapping[str, Float64]:
        """`view:feature` -> float64 (n,): the newest value at or before `as_of_ms`, NaN where there is none."""
        ...


def covariates(
    history: History,
    wanted: Mapping[str, str],
    exposures: Exposures,
    answers: Answers,
    events: Events,
    keys: Sequence[Numbers],
    units: int,
) -> dict[str, Float64]:
    """Metric -> float64 (units,): the value of its feature (`wanted`) before the unit's first exposure, NaN for none.

    Before: a millisecond before the event of that exposure happened, or before it was scored if the event says that it
    is of a later time. What the exposure or anything after it has led to is stamped later, and so cannot leak.
    """
    _, first = np.unique(events.units[exposures.rows], return_index=True)
    rows = exposures.rows[first]
    unit = events.units[rows]
    as_of_ms = np.minimum(answers.event_ms, answers.scored_ms)[rows] - 1
    features: dict[str, Float64] = {}
    for i, view in enumerate(history.views):
        number = events.entities[rows, i]
        there = np.flatnonzero(number >= 0)
        values = keys[i].values
        read = history.read(view, [values[k] for k in number[there].tolist()], as_of_ms[there])
        for name, found in read.items():
            features[name] = np.full(units, np.nan)
            features[name][unit[there]] = found
    return {metric: features[name] for metric, name in wanted.items()}
