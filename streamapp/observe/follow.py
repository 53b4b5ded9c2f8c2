"""What is known of a version stays with it when it moves to another variant, and does not stay when it goes."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np

from streamapp.observe.join import Joined
from streamapp.types import NO_VARIANT, Variant

T = TypeVar("T")

MOST_TENURES = 256
"""Changes of what serves that a label join remembers; predictions from before that are credited to nobody."""


def moves(before: Sequence[Variant], after: Sequence[Variant]) -> list[int]:
    """For every variant of `after` the place in `before` where its version was, -1 for one that was nowhere.

    A version that is in the same place stays there; no place is given twice.
    """
    found = [i if i < len(before) and _same(before[i], variant) else NO_VARIANT for i, variant in enumerate(after)]
    for i, variant in enumerate(after):
        if found[i] == NO_VARIANT:
            free = (j for j, other in enumerate(before) if j not in found and _same(other, variant))
            found[i] = next(free, NO_VARIANT)
    return found


def carried(
    before: Sequence[Variant], after: Sequence[Variant], states: Sequence[T], fresh: Callable[[int], T]
) -> list[T]:
    """The states of the variants `before`, one each, as they belong to those `after`; fresh ones where a version is
    new."""
    return [states[j] if j != NO_VARIANT else fresh(i) for i, j in enumerate(moves(before, after))]


def _same(one: Variant, other: Variant) -> bool:
    return (one.model_name, one.model_version, one.wiring) == (other.model_name, other.model_version, other.wiring)


class Tenures:
    """What served, one after the other, by number."""

    def __init__(self, variants: tuple[Variant, ...]) -> None:
        self._variants = [variants]
        self._first = 0

    @property
    def now(self) -> tuple[Variant, ...]:
        """What serves."""
        return self._variants[-1]

    @property
    def number(self) -> int:
        """Its number."""
        return self._first + len(self._variants) - 1

    def follow(self, variants: tuple[Variant, ...]) -> None:
        """From now on `variants` serve."""
        self._variants.append(variants)
        surplus = len(self._variants) - MOST_TENURES
        if surplus > 0:
            del self._variants[:surplus]
            self._first += surplus

    def aligned(self, joined: Joined) -> Joined:
        """The same rows as of what serves now: a score stands at the variant that the version is in now, NaN where it
        is in none; so do answers."""
        numbers = np.unique(joined.tenures).tolist()
        if numbers == [self.number]:
            return joined
        scores = np.full_like(joined.scores, np.nan)
        answers = np.full_like(joined.answers, NO_VARIANT)
        for number in numbers:
            if number < self._first:
                continue
            rows = joined.tenures == number
            for i, j in enumerate(moves(self._variants[number - self._first], self.now)):
                if j != NO_VARIANT:
                    scores[rows, i] = joined.scores[rows, j]
                    answers[rows & (joined.answers == j)] = i
        tenures = np.full_like(joined.tenures, self.number)
        return Joined(joined.ids, joined.times_ms, answers, scores, joined.labels, tenures)
