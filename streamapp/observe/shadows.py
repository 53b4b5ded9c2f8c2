"""What shadows say of rows against what was answered: once per batch, columns at a time."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations

import numpy as np

from streamapp.config.settings import PipelineSettings
from streamapp.observe.gather import DECISION
from streamapp.types import Float64, ScoredBatch, Variant


@dataclass(frozen=True, slots=True, eq=False)
class Compared:
    """k > 0 rows that variant number `answering` has answered and a shadow has scored beside it: what the shadow said
    and what was answered, float64 (k,), finite."""

    answering: int
    said: Float64
    answered: Float64

    @property
    def differences(self) -> Float64:
        """Absolute, float64 (k,); infinite where float64 cannot hold one."""
        with np.errstate(over="ignore"):
            return np.abs(self.said - self.answered)

    @property
    def agreeing(self) -> int:
        """On how many rows both decide alike."""
        return int(((self.said >= DECISION) == (self.answered >= DECISION)).sum())


class ShadowComparison:
    """Compares each shadow with whichever variant answers the row; two shadows of one row never with each other.

    What is compared is the judged score (`outcomes.score`) where both variants have it, else the first score of the
    answering one that the shadow has as well. Variants without a score of the same name are not compared.
    """

    def __init__(self, settings: PipelineSettings) -> None:
        outcomes = settings.outcomes
        self._preferred = () if outcomes is None else (outcomes.score,)
        self._outputs = {name: tuple(variant.outputs) for name, variant in settings.variants.items()}
        self.decides = outcomes is None or outcomes.task == "binary_classification"
        """Whether a score is a decision, so that two can agree."""

    def pairs(self, variants: Sequence[Variant]) -> tuple[Mapping[int, str], ...]:
        """Per variant, as a shadow: the variants that it can be compared with -> the score to compare."""
        outputs = [self._outputs[variant.wiring or variant.name] for variant in variants]
        found: tuple[dict[int, str], ...] = tuple({} for _ in variants)
        for shadow, answering in permutations(range(len(variants)), 2):
            wanted = (*self._preferred, *outputs[answering])
            shared = [name for name in wanted if name in outputs[shadow] and name in outputs[answering]]
            if shared:
                found[shadow][answering] = shared[0]
        return found


def compare(scored: ScoredBatch, shadow: int, scores: Mapping[int, str]) -> Iterator[Compared]:
    """Variant number `shadow` with each answering one of `scores` (-> the score to compare), where there are rows to
    compare. A row that either of the two failed on is left out."""
    block = scored.scores[shadow]
    owners = scored.routes.answers[block.rows]
    for answering, name in scores.items():
        rows = owners == answering
        if not rows.any():
            continue
        answer = scored.scores[answering]
        answered = np.full(len(scored), np.nan)
        answered[answer.rows] = answer.values[:, answer.names.index(name)]
        answered = answered[block.rows[rows]]
        known = ~np.isnan(answered)
        if known.any():
            said = block.values[rows, block.names.index(name)]
            yield Compared(answering, said[known], answered[known])
