"""How good scores turned out to be: pure functions of scores and labels."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from streamapp.types import Float64, Int64

_CLIP = 1e-15
BINS = 10


@dataclass(frozen=True, slots=True, eq=False)
class Reliability:
    """Calibration in `BINS` equal bins of the score: rows int64, mean score and share of positives float64,
    each (10,), NaN where a bin is empty."""

    rows: Int64
    mean_score: Float64
    positives: Float64


def auc(scores: Float64, labels: Float64) -> float:
    """Area under the ROC curve of scores (n,) for labels 0 or 1 (n,); NaN if only one class occurs.

    The Mann-Whitney statistic with tied ranks averaged (Hanley and McNeil 1982, "The meaning and use of the area
    under a receiver operating characteristic curve").
    """
    positive = labels > 0.5
    n1 = int(positive.sum())
    n0 = len(labels) - n1
    if not n0 or not n1:
        return float("nan")
    _, group, counts = np.unique(scores, return_inverse=True, return_counts=True)
    mean_rank = np.cumsum(counts) - (counts - 1) / 2.0
    rank_sum = float(mean_rank[group][positive].sum())
    return (rank_sum - n1 * (n1 + 1) / 2.0) / (n0 * n1)


def log_losses(scores: Float64, labels: Float64) -> Float64:
    """Negative log likelihood of each label, nats; scores are cut to [1e-15, 1 - 1e-15]."""
    p = np.clip(scores, _CLIP, 1.0 - _CLIP)
    losses: Float64 = -np.log(np.where(labels > 0.5, p, 1.0 - p))
    return losses


def reliability(scores: Float64, labels: Float64) -> Reliability:
    """Rows, mean score and share of positives per bin of width 0.1; a score outside [0, 1] is in the end bin."""
    bins = np.clip((scores * BINS).astype(np.int64), 0, BINS - 1)
    rows = np.bincount(bins, minlength=BINS)
    with np.errstate(invalid="ignore"):
        mean_score = np.bincount(bins, scores, BINS) / rows
        positives = np.bincount(bins, labels, BINS) / rows
    return Reliability(rows, mean_score, positives)


def calibration_error(table: Reliability) -> float:
    """Expected calibration error: the row-weighted mean of |share of positives - mean score| over the bins
    (Naeini, Cooper and Hauskrecht 2015, "Obtaining well calibrated probabilities using Bayesian binning")."""
    used = table.rows > 0
    gaps = np.abs(table.positives[used] - table.mean_score[used])
    return float(gaps @ table.rows[used] / table.rows.sum())


def classification(scores: Float64, labels: Float64) -> Mapping[str, float]:
    """rows, base_rate, auc, log_loss, brier and calibration_error of n rows; of none only rows."""
    if not len(scores):
        return {"rows": 0.0}
    return {
        "rows": float(len(scores)),
        "base_rate": float(labels.mean()),
        "auc": auc(scores, labels),
        "log_loss": float(log_losses(scores, labels).mean()),
        "brier": float(np.square(scores - labels).mean()),
        "calibration_error": calibration_error(reliability(scores, labels)),
    }


def regression(scores: Float64, labels: Float64) -> Mapping[str, float]:
    """rows, mae, rmse and bias (mean of score - label) of n rows; of none only rows."""
    if not len(scores):
        return {"rows": 0.0}
    errors = scores - labels
    return {
        "rows": float(len(scores)),
        "mae": float(np.abs(errors).mean()),
        "rmse": float(np.sqrt(np.square(errors).mean())),
        "bias": float(errors.mean()),
    }
