"""What evidence comes to: the names that the conditions of an analysis may use."""

from collections.abc import Mapping

import numpy as np

from streamapp.observe.bins import NUMBER_BINS, TAIL_BINS, UNIT_BINS, time_quantile
from streamapp.observe.evidence import BOTH, CANDIDATE, CHAMPION, Evidence
from streamapp.types import Float64

OF_EACH: Mapping[str, str] = {
    "rows": "rows that it answered or should have",
    "scored_rows": "rows that it scored, as answer or as shadow",
    "error_rate": "share of the rows it took that it could not score",
    "dead_letter_share": "share of the rows it was to answer that became dead letters for its sake",
    "latency_p50_ms": "median time from a record's timestamp to its score, of rows that it answered",
    "latency_p99_ms": "99th percentile of that",
    "model_p99_ms": "99th percentile of the model's own time for the batch that a row was in, also as shadow",
    "score_mean": "mean of its score",
    "labels": "rows that it scored whose label is known",
    "auc": "area under the ROC curve",
    "log_loss": "mean negative log likelihood, nats",
    "brier": "mean squared error of the probability",
    "mae": "mean absolute error",
    "rmse": "root mean squared error",
    "reward_mean": "mean label of the rows that it answered",
}
"""Measures of one variant; of the champion with `champion_` before the name."""

OF_BOTH: Mapping[str, str] = {
    "score_drift": "population stability index of the candidate's scores against the champion's",
    "feature_drift": "largest population stability index of a watched number, candidate's rows against champion's",
    "agreement": "share of the rows scored by both on which they decide alike (score above or below 0.5)",
    "score_difference_mean": "mean absolute difference of the scores of such rows",
    "score_difference_p95": "95th percentile of that, to the upper end of its bin",
}
"""Measures of the candidate against the champion."""

MEASURES: Mapping[str, str] = {
    **OF_EACH,
    **{f"champion_{name}": f"{meaning}; the champion's" for name, meaning in OF_EACH.items()},
    **OF_BOTH,
}
"""Every name with its meaning. A measure that there are no rows for is absent."""

PSI_ROWS = 100.0
"""Rows of either side below which a stability index says nothing: 10 groups then expect fewer than 10 rows each."""
_GROUPS = 10


def measures(evidence: Evidence) -> dict[str, float]:
    """The measures that there are rows for."""
    found = _of_one(evidence, CANDIDATE)
    found.update({f"champion_{name}": value for name, value in _of_one(evidence, CHAMPION).items()})
    found.update(_of_both(evidence))
    return {name: value for name, value in found.items() if np.isfinite(value)}


def _of_one(evidence: Evidence, side: str) -> dict[str, float]:
    one = {name: evidence.one(side, name) for name in ("answered", "scored", "failed", "dead_letters", "labels")}
    rows, taken = one["answered"] + one["dead_letters"], one["scored"] + one["failed"]
    found = {"rows": rows, "scored_rows": one["scored"], "labels": one["labels"]}
    if taken:
        found["error_rate"] = one["failed"] / taken
    if rows:
        found["dead_letter_share"] = one["dead_letters"] / rows
    if one["answered"]:
        latency = evidence.of(side, "latency")
        found["latency_p50_ms"] = 1000 * time_quantile(latency, 0.5)
        found["latency_p99_ms"] = 1000 * time_quantile(latency, 0.99)
    if one["scored"]:
        found["model_p99_ms"] = 1000 * time_quantile(evidence.of(side, "model_time"), 0.99)
        found["score_mean"] = evidence.one(side, "score_sum") / one["scored"]
    if one["labels"]:
        found.update(_quality(evidence, side, one["labels"]))
    count, total, _ = evidence.of(side, "rewards").tolist()
    if count:
        found["reward_mean"] = total / count
    return found


def _quality(evidence: Evidence, side: str, labels: float) -> dict[str, float]:
    squared = evidence.one(side, "squared_error") / labels
    found = {"mae": evidence.one(side, "absolute_error") / labels, "rmse": float(np.sqrt(squared)), "brier": squared}
    positive, negative = evidence.of(side, "positive_scores"), evidence.of(side, "negative_scores")
    if positive.sum() + negative.sum():
        found["log_loss"] = evidence.one(side, "log_loss") / labels
        found["auc"] = binned_auc(positive, negative)
    else:
        del found["brier"]
    return found


def _of_both(evidence: Evidence) -> dict[str, float]:
    found = {"score_drift": stability(evidence.of(CHAMPION, "scores"), evidence.of(CANDIDATE, "scores"))}
    drifts = [stability(evidence.of(CHAMPION, name), evidence.of(CANDIDATE, name)) for name in evidence.features()]
    known = [drift for drift in drifts if np.isfinite(drift)]
    if known:
        found["feature_drift"] = max(known)
    rows = evidence.one(BOTH, "scored")
    if rows:
        found["agreement"] = evidence.one(BOTH, "agreed") / rows
        found["score_difference_mean"] = evidence.one(BOTH, "difference_sum") / rows
        found["score_difference_p95"] = _upper_end(evidence.of(BOTH, "differences"), 0.95)
    return found


def binned_auc(positive: Float64, negative: Float64) -> float:
    """Area under the ROC curve from counts per score bin, float64 (k,) each; scores in one bin count as tied, as
    `quality.auc` counts equal scores. NaN if only one class occurs."""
    n1, n0 = positive.sum(), negative.sum()
    if not n1 or not n0:
        return float("nan")
    below = np.cumsum(negative) - negative
    return float(positive @ (below + negative / 2) / (n1 * n0))


def stability(reference: Float64, current: Float64) -> float:
    """Population stability index of `current` against `reference`, counts float64 (k,) over the same bins.

    Σ (p - q) ln(p / q) over ten groups of about equal shares q of the reference (Siddiqi 2006, "Credit Risk
    Scorecards", section 8), half a row added to every group so that an empty one is not infinitely far. NaN below
    `PSI_ROWS` rows on either side.
    """
    if min(reference.sum(), current.sum()) < PSI_ROWS:
        return float("nan")
    before = np.cumsum(reference) - reference
    groups = np.minimum((_GROUPS * (before + reference / 2) / reference.sum()).astype(np.int64), _GROUPS - 1)
    shares = [np.bincount(groups, weights=counts, minlength=_GROUPS) + 0.5 for counts in (current, reference)]
    p, q = (share / share.sum() for share in shares)
    return float(((p - q) * np.log(p / q)).sum())


def _upper_end(counts: Float64, q: float) -> float:
    """The upper end of the bin of non-negative numbers that the q-quantile is in."""
    place = min(int(np.searchsorted(np.cumsum(counts), q * counts.sum())), NUMBER_BINS - 1) - TAIL_BINS
    if place < UNIT_BINS:
        return (place + 1) / UNIT_BINS
    return float(np.expm1((place - UNIT_BINS + 1) * 0.25) / 1000)
