"""Keys to buckets, and buckets to variants.

bucket(key) = xxh3_64(salt + 0x00 + key in UTF-8) mod 10 000. The buckets are dealt to the variants in the
order they are declared, each getting its share of 10 000 (largest remainder). When weights change, buckets are dealt
anew from the table that held before, so that no more of them move than must. The same key and the same
table give the same variant in every process and on every replay; tests pin the buckets of known keys.
"""

from collections.abc import Sequence

import numpy as np
import xxhash

from streamapp.errors import ConfigError
from streamapp.types import NO_VARIANT, Int16, Int64

BUCKETS = 10_000


def buckets_of(keys: Sequence[str], salt: str) -> Int64:
    """The buckets of n keys, int64 (n,) in [0, 10 000)."""
    digest = xxhash.xxh3_64_intdigest
    prefix = f"{salt}\0"
    hashes = np.fromiter((digest((prefix + key).encode()) for key in keys), np.uint64, len(keys))
    return (hashes % np.uint64(BUCKETS)).astype(np.int64)


def bucket(key: str, salt: str) -> int:
    """The bucket of `key`, in [0, 10 000)."""
    return int(buckets_of([key], salt)[0])


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
