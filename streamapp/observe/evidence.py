"""Evidence on two variants, as counts that add up over workers."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import msgspec
import numpy as np

from streamapp.errors import ControlError
from streamapp.observe.bins import NUMBER_BINS, TIME_BINS
from streamapp.types import Float64

CANDIDATE, CHAMPION, BOTH = "candidate", "champion", "both"

SIZES: Mapping[str, int] = {
    "answered": 1,
    "scored": 1,
    "failed": 1,
    "dead_letters": 1,
    "latency": TIME_BINS,
    "model_time": TIME_BINS,
    "scores": NUMBER_BINS,
    "score_sum": 1,
    "labels": 1,
    "log_loss": 1,
    "squared_error": 1,
    "absolute_error": 1,
    "positive_scores": NUMBER_BINS,
    "negative_scores": NUMBER_BINS,
    "rewards": 3,
    "agreed": 1,
    "differences": NUMBER_BINS,
    "difference_sum": 1,
}
"""Name -> numbers per count. failed: rows that the variant could not score, as answer or as shadow; dead_letters: those
that it was to answer. latency: from record to score, of answered rows; model_time: of the block that a row was in.
rewards: number, sum and sum of squares of the labels of rows that it answered. The last three are of rows that both
have scored. Features are counted as `feature:<name>`, each of `NUMBER_BINS`."""

_FEATURE = "feature:"


def feature_name(stream: str) -> str:
    """What a watched number is counted as."""
    return _FEATURE + stream


@dataclass(slots=True)
class Evidence:
    """side -> name -> counts float64 (k,). Sides: the candidate, the champion, and rows that both scored."""

    counts: dict[str, dict[str, Float64]] = field(default_factory=lambda: {CANDIDATE: {}, CHAMPION: {}, BOTH: {}})

    def add(self, side: str, name: str, more: Float64 | float) -> None:
        """Add to a count."""
        here = self.counts[side]
        if name in here:
            here[name] = here[name] + more
        else:
            here[name] = np.array(more, np.float64).reshape(-1)

    def of(self, side: str, name: str) -> Float64:
        """A count; zeros where nothing was counted."""
        found = self.counts[side].get(name)
        return np.zeros(SIZES.get(name, NUMBER_BINS)) if found is None else found

    def one(self, side: str, name: str) -> float:
        """A count that is one number."""
        return float(self.of(side, name)[0])

    def features(self) -> frozenset[str]:
        """The features that both sides have counted."""
        sides = [{name for name in self.counts[side] if name.startswith(_FEATURE)} for side in (CANDIDATE, CHAMPION)]
        return frozenset(sides[0] & sides[1])


def merged(parts: Iterable[Evidence]) -> Evidence:
    """The evidence of all, added."""
    total = Evidence()
    for part in parts:
        for side, counts in part.counts.items():
            for name, numbers in counts.items():
                total.add(side, name, numbers)
    return total


class _Document(msgspec.Struct, frozen=True):
    """Arrays as (place, number) pairs of what is not 0."""

    counts: dict[str, dict[str, tuple[list[int], list[float]]]]


def to_document(evidence: Evidence) -> bytes:
    """As JSON; zeros are left out."""
    sparse = {
        side: {name: (np.flatnonzero(n).tolist(), n[n != 0].tolist()) for name, n in counts.items()}
        for side, counts in evidence.counts.items()
    }
    return msgspec.json.encode(_Document(sparse))


def from_document(document: bytes) -> Evidence:
    """Raises `ControlError` for what is none that this version knows."""
    try:
        read = msgspec.json.decode(document, type=_Document)
        evidence = Evidence()
        for side, counts in read.counts.items():
            for name, (places, numbers) in counts.items():
                full = np.zeros(SIZES.get(name, NUMBER_BINS))
                full[places] = numbers
                evidence.counts[side][name] = full
    except (msgspec.MsgspecError, UnicodeDecodeError, KeyError, IndexError, ValueError) as error:
        raise ControlError(f"not evidence of this version of streamapp: {error}") from error
    return evidence
