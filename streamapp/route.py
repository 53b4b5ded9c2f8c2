"""Sticky, weighted assignment of keys to variants, and the shadows beside them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from streamapp.buckets import BUCKETS, buckets_of, deal
from streamapp.types import NO_VARIANT, EventBatch, Int16, Int64, Routes


@dataclass(frozen=True, slots=True)
class Share:
    """What one variant is given: `weight` relative to the others' weights, `shadow` a share of the keys in [0, 1]."""

    variant: str
    weight: float
    shadow: float = 0.0


class HashRouter:
    """Routes by the hash of the routing key.

    owners: int16 (10 000,), the table that `shares` led to; dealt from their weights if it is not given.
    """

    def __init__(self, salt: str, shares: Sequence[Share], owners: Int16 | None = None) -> None:
        self._salt = salt
        self._shares = tuple(shares)
        self._owners = deal([s.weight for s in shares]) if owners is None else owners

    @property
    def weights(self) -> tuple[float, ...]:
        """The share of the keys, in [0, 1], that each variant answers."""
        counts = np.bincount(self._owners, minlength=len(self._shares))
        return tuple((counts / BUCKETS).tolist())

    @property
    def shadows(self) -> tuple[float, ...]:
        """The share of the keys, in [0, 1], that each variant scores whoever answers them."""
        return tuple(share.shadow for share in self._shares)

    def route(self, events: EventBatch) -> Routes:
        """Assign every healthy row; failed rows get NO_VARIANT and are scored by nobody."""
        answers = self._owners[buckets_of(events.routing_keys, self._salt)]
        if events.failures:
            answers[list(events.failures)] = NO_VARIANT
        rows = tuple(self._scored_by(index, share, events, answers) for index, share in enumerate(self._shares))
        return Routes(answers, rows)

    def _scored_by(self, index: int, share: Share, events: EventBatch, answers: Int16) -> Int64:
        scored = answers == index
        if share.shadow > 0:
            scored |= (answers != NO_VARIANT) & self._shadowed(share, events.routing_keys)
        return np.flatnonzero(scored)

    def _shadowed(self, share: Share, keys: list[str]) -> np.typing.NDArray[np.bool_]:
        # A salt of its own: the shadowed keys must not be the ones a low-numbered variant answers.
        buckets = buckets_of(keys, f"{self._salt}\0shadow\0{share.variant}")
        return buckets < round(share.shadow * BUCKETS)
