"""Means of consecutive rows: what the detectors see instead of every row."""

import numpy as np

from streamapp.types import Float64, Int64


class BlockMeans:
    """Cuts a stream of rows into blocks of `block_rows` and averages each block.

    The blocks lie on the rows as they were given since the start, whatever batches they came in: the same rows
    give bit for bit the same means. A value that is not finite is left out of its block and counted in
    `missing` int64 (s,); a block with fewer than an eighth of its values has mean NaN.
    """

    def __init__(self, streams: int, block_rows: int) -> None:
        self._block_rows = block_rows
        self._least = max(1, block_rows // 8)
        self._rows = np.empty((0, streams))
        self._times_ms = np.empty(0, np.int64)
        self.missing: Int64 = np.zeros(streams, np.int64)

    def add(self, rows: Float64, times_ms: Int64) -> tuple[Float64, Int64]:
        """Take in rows float64 (m, s) with event times int64 (m,).

        Returns the b blocks that are now full: means float64 (b, s), and int64 (b,) event time of each
        block's last row.
        """
        self._rows = np.concatenate([self._rows, rows])
        self._times_ms = np.concatenate([self._times_ms, times_ms])
        full = len(self._rows) // self._block_rows
        taken = full * self._block_rows
        blocks = self._rows[:taken].reshape(full, self._block_rows, self._rows.shape[1])
        ends_ms = self._times_ms[:taken][self._block_rows - 1 :: self._block_rows]
        self._rows, self._times_ms = self._rows[taken:].copy(), self._times_ms[taken:]
        return self._means(blocks), ends_ms

    def _means(self, blocks: Float64) -> Float64:
        with np.errstate(invalid="ignore", over="ignore"):
            sums: Float64 = np.add.reduce(blocks, axis=1)
        if np.isfinite(sums).all():
            whole: Float64 = sums / self._block_rows
            return whole
        present = np.isfinite(blocks)
        counts = np.add.reduce(present, axis=1, dtype=np.int64)
        self.missing += self._block_rows * len(blocks) - counts.sum(axis=0)
        sums = np.add.reduce(np.where(present, blocks, 0.0), axis=1)
        means: Float64 = np.where(counts >= self._least, sums / np.maximum(counts, 1), np.nan)
        return means
