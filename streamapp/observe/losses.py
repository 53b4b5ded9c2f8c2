"""Drift of the errors: detectors on what joined outcomes say of each variant."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from streamapp.observe.blocks import BlockMeans
from streamapp.observe.budget import AlarmBudget
from streamapp.observe.detectors import adwin, ddm
from streamapp.observe.follow import carried
from streamapp.observe.join import Joined
from streamapp.observe.quality import log_losses
from streamapp.observe.stream import Stream
from streamapp.types import Float64, Int64, Signal, Variant

_RECENT_ROWS = 256
ERROR, LOG_LOSS, ABSOLUTE_ERROR = "error", "loss:log_loss", "loss:absolute_error"


class LossMonitor:
    """Per variant: ADWIN on block means of the loss and, for binary classification, DDM on errors at 0.5."""

    def __init__(
        self, variants: Sequence[Variant], classifies: bool, block_rows: int, reference_rows: int, per_day: float
    ) -> None:
        self._served = tuple(variants)
        self._made_by = partial(
            VariantLoss,
            classifies=classifies,
            block_rows=block_rows,
            reference_rows=reference_rows,
            per_day=per_day,
        )
        self.variants = [self._made_by(variant) for variant in variants]

    def follow(self, variants: tuple[Variant, ...]) -> None:
        """From now on `variants` serve."""
        self.variants = carried(self._served, variants, self.variants, lambda i: self._made_by(variants[i]))
        self._served = variants

    def observe(self, joined: Joined) -> list[Signal]:
        """Take joined rows in; the signals within budget, per variant in row order."""
        signals: list[Signal] = []
        for index, variant in enumerate(self.variants):
            scored = np.flatnonzero(~np.isnan(joined.scores[:, index]))
            if len(scored):
                found = variant.update(joined.scores[scored, index], joined.labels[scored], joined.times_ms[scored])
                signals.extend(replace(signal, variant=self._served[index]) for signal in found)
        return signals


class VariantLoss:
    """The error detectors of one variant. A signal's `value` is the mean over recent rows, `reference` that of the
    reference (ADWIN) or since DDM last started; `rows_seen` counts the variant's joined rows."""

    def __init__(
        self, variant: Variant, classifies: bool, block_rows: int, reference_rows: int, per_day: float
    ) -> None:
        self._variant = variant
        self._classifies = classifies
        self._block_rows = block_rows
        self._blocks = BlockMeans(1, block_rows)
        needed = max(8, reference_rows // block_rows)
        self._loss = Stream(LOG_LOSS if classifies else ABSOLUTE_ERROR, {"adwin": adwin}, needed)
        self._ddm = ddm()
        self._errors, self._since = 0.0, 0
        self._recent = np.empty(0)
        self._budget = AlarmBudget(per_day)
        self._rows_seen = 0

    @property
    def suppressed(self) -> int:
        """Signals beyond the alarm budget."""
        return self._budget.suppressed

    def update(self, scores: Float64, labels: Float64, times_ms: Int64) -> list[Signal]:
        """Take in k joined rows: scores, labels float64 (k,), event times int64 (k,)."""
        losses = log_losses(scores, labels) if self._classifies else np.abs(scores - labels)
        signals = self._detect_loss(losses, times_ms)
        if self._classifies:
            signals.extend(self._detect_errors((scores >= 0.5) != (labels > 0.5), times_ms))
        self._rows_seen += len(scores)
        signals.sort(key=lambda signal: signal.rows_seen)
        return [signal for signal in signals if self._budget.take(signal.at_ms)]

    def _detect_loss(self, losses: Float64, times_ms: Int64) -> list[Signal]:
        first = self._rows_seen // self._block_rows
        means, ends_ms = self._blocks.add(losses[:, None], times_ms)
        column = means[:, 0].tolist()
        return [
            Signal(
                self._variant,
                detector,
                self._loss.name,
                int(ends_ms[block]),
                column[block],
                reference,
                (first + block + 1) * self._block_rows,
            )
            for block, detector, reference in self._loss.run(column, None)
        ]

    def _detect_errors(self, wrong: np.ndarray[tuple[int], np.dtype[np.bool_]], times_ms: Int64) -> list[Signal]:
        signals: list[Signal] = []
        seen = np.concatenate([self._recent, wrong])
        offset = len(self._recent)
        detector = self._ddm
        for row, x in enumerate(wrong.tolist()):
            detector.update(x)
            self._errors += x
            self._since += 1
            if detector.drift_detected:
                recent = float(seen[max(0, offset + row + 1 - _RECENT_ROWS) : offset + row + 1].mean())
                overall, at_ms = self._errors / self._since, int(times_ms[row])
                signals.append(Signal(self._variant, "ddm", ERROR, at_ms, recent, overall, self._rows_seen + row + 1))
                self._errors, self._since = 0.0, 0
        self._recent = seen[-_RECENT_ROWS:]
        return signals
