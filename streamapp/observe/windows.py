"""The last rows of a variant, in a ring of columns."""

import numpy as np

from streamapp.types import Float64


class LastRows:
    """The last `size` pairs of a score and a label, of however many were added."""

    def __init__(self, size: int) -> None:
        self._pairs = np.empty((size, 2))
        self._added = 0

    def add(self, scores: Float64, labels: Float64) -> None:
        """Add scores float64 (k,) and labels float64 (k,)."""
        size = len(self._pairs)
        pairs = np.column_stack([scores, labels])[-size:]
        at = (self._added + np.arange(len(pairs))) % size
        self._pairs[at] = pairs
        self._added += len(pairs)

    def copy(self) -> tuple[Float64, Float64]:
        """Scores and labels, float64 (n,) each, in no particular order."""
        pairs = self._pairs[: min(self._added, len(self._pairs))].copy()
        return pairs[:, 0], pairs[:, 1]
