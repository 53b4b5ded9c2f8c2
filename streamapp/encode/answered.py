"""Which rows of a scored batch are answered, by which variant, and with what."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from streamapp.types import FeatureBlock, Float64, Int64, LateRows, ScoredBatch, UInt8, Variant

DEADLINE = "deadline"
"""Why no model was asked: the event was too old."""


@dataclass(frozen=True, slots=True, eq=False)
class Answered:
    """The k rows that one variant answers.

    rows int64 (k,), in the order of their score block. scores float64 (k, o) by `names`. ages_s float64 (k, v), rounded
    to milliseconds, NaN where unknown, and freshness uint8 (k, v) by `views`. fallback: why no model was asked; the
    variant is then the one that would have answered, without a model.
    """

    variant: Variant
    rows: Int64
    names: tuple[str, ...]
    scores: Float64
    views: tuple[str, ...]
    ages_s: Float64
    freshness: UInt8
    fallback: str = ""


def answered(scored: ScoredBatch) -> list[Answered]:
    """Per variant the rows that it answers; shadows and failed rows are left out, as are variants without any."""
    answers = scored.routes.answers.copy()
    if scored.failures:
        answers[list(scored.failures)] = -1
    found = []
    for i, (variant, block) in enumerate(zip(scored.variants, scored.scores, strict=True)):
        at = np.flatnonzero(answers[block.rows] == i)
        if not at.size:
            continue
        rows = block.rows[at]
        features = scored.features[i]
        ages_s, freshness = _feature_state(features, rows, len(scored))
        found.append(Answered(variant, rows, block.names, block.values[at], features.views, ages_s, freshness))
    return found if scored.late is None else [*found, *_fallbacks(scored, scored.late)]


def _fallbacks(scored: ScoredBatch, late: LateRows) -> Iterator[Answered]:
    for variant, block in zip(scored.variants, late.fallbacks, strict=False):
        at = np.flatnonzero(~np.isin(block.rows, list(scored.failures)))
        if at.size:
            none = np.empty((len(at), 0))
            without_model = Variant(variant.name, "", "")
            rows, values, freshness = block.rows[at], block.values[at], none.astype(np.uint8)
            yield Answered(without_model, rows, block.names, values, (), none, freshness, DEADLINE)


def _feature_state(block: FeatureBlock, rows: Int64, n: int) -> tuple[Float64, UInt8]:
    """Ages and freshness of `rows`, which are all in the block."""
    position = np.zeros(n, np.int64)
    position[block.rows] = np.arange(len(block.rows))
    at = position[rows]
    ages_s: Float64 = block.ages_s[at].astype(np.float64)
    return ages_s.round(3), block.freshness[at]
