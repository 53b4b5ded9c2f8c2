"""Sticky, weighted assignment of keys to variants.

bucket(key) = xxh3_64(salt + 0x00 + key in UTF-8) mod 10 000. The buckets are dealt to the variants in the
order they are declared, each getting its share of 10 000 (largest remainder). When weights change, buckets are dealt
anew from the table that held before, so that no more of them move than must. The same key and the same
table give the same variant in every process and on every replay; tests pin the buckets of known keys.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xxhash

from streamapp.errors import ConfigError
from streamapp.types import NO_VARIANT, EventBatch, Int16, Int64, Routes

BUCKETS = 10_000


@dataclass(frozen=True, slots=True)
class Share:
    """What one variant is given: `weight` relative to the others' weights, `shadow` a share of the keys in [0, 1]."""

    variant: str
    weight: float
    shadow: float = 0.0


def bucket(key: str, salt: str) -> int:
    """The bucket of `key`, in [0, 10 000)."""
    return xxhash.xxh3_64_intdigest(f"{salt}\0{key}".encode()) % BUCKETS


def deal(weights: Sequence[float]) -> Int16:
    """int16 (10 000,): bucket -> index of the variant that owns it.

    Raises `ConfigError` if no weight is positive.
    """
    counts = _counts(weights)
    return np.repeat(np.arange(len(counts), dtype=np.int16), counts)


def redeal(owners: Int16, weights: Sequence[float]) -> Int16:
    """The table for `weights` that is nearest to `owners`: only variants that lose share give buckets, their highest.

    owners: int16 (10 000,), indices below `len(weights)`; it is left as it is. Raises `ConfigError` like `deal`.
    """
    counts = _counts(weights)
    dealt = owners.copy()
    for index, count in enumerate(counts):
        dealt[np.flatnonzero(owners == index)[count:]] = NO_VARIANT
    wanting = counts - np.bincount(dealt[dealt != NO_VARIANT], minlength=len(counts))
    dealt[dealt == NO_VARIANT] = np.repeat(np.arange(len(counts), dtype=np.int16), wanting)
    return dealt


def _counts(weights: Sequence[float]) -> Int64:
    """Buckets per variant."""
    total = sum(weights)
    if not total > 0:
        raise ConfigError("no variant has a weight: give at least one variant a weight above 0")
    exact = np.asarray(weights, np.float64) / total * BUCKETS
    counts = np.floor(exact).astype(np.int64)
    by_remainder = np.argsort(counts - exact, kind="stable")
    counts[by_remainder[: BUCKETS - int(counts.sum())]] += 1
    return counts


class HashRouter:
    """Routes by the hash of the routing key.

    owners: int16 (10 000,), the table that `shares` led to; dealt from their weights if it is not given.
    """

    def __init__(self, salt: str, shares: Sequence[Share], owners: Int16 | None = None) -> None:
        self._salt = salt
        self._shares = tuple(shares)
        self._owners = deal([s.weight for s in shares]) if owners is None else owners

    def route(self, events: EventBatch) -> Routes:
        """Assign every healthy row; failed rows get NO_VARIANT and are scored by nobody."""
        answers = self._owners[self._buckets(events.routing_keys, self._salt)]
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
        buckets = self._buckets(keys, f"{self._salt}\0shadow\0{share.variant}")
        return buckets < round(share.shadow * BUCKETS)

    @staticmethod
    def _buckets(keys: list[str], salt: str) -> Int64:
        digest = xxhash.xxh3_64_intdigest
        prefix = f"{salt}\0"
        hashes = np.fromiter((digest((prefix + key).encode()) for key in keys), np.uint64, len(keys))
        return (hashes % np.uint64(BUCKETS)).astype(np.int64)
