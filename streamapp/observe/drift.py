"""Drift of every watched number of every variant."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from streamapp.config.settings import DriftSettings
from streamapp.observe.blocks import BlockMeans
from streamapp.observe.budget import AlarmBudget
from streamapp.observe.detectors import BLOCK_DETECTORS
from streamapp.observe.follow import carried
from streamapp.observe.sampled import SampledStreams
from streamapp.observe.scale import CLIP
from streamapp.observe.stream import Stream
from streamapp.observe.streams import Streams, read_rows
from streamapp.types import Float64, Int64, ScoredBatch, Signal, Variant

_RECENT_BLOCKS = 8


class DriftMonitor:
    """Runs the detectors of every variant over scored batches.

    The same rows in the same order give the same signals, however they were batched.
    """

    def __init__(self, settings: DriftSettings, variants: tuple[Variant, ...], streams: Sequence[Streams]) -> None:
        self._settings = settings
        self._served = variants
        self._streams = tuple(streams)
        self.variants = [VariantDrift(settings, *each) for each in self._named(variants)]

    def follow(self, variants: tuple[Variant, ...], streams: Sequence[Streams]) -> None:
        """From now on `variants` serve, with these streams."""
        self._streams = tuple(streams)
        named = self._named(variants)
        self.variants = carried(
            self._served, variants, self.variants, lambda i: VariantDrift(self._settings, *named[i])
        )
        self._served = variants

    def observe(self, scored: ScoredBatch) -> list[Signal]:
        """Take a batch in; the signals within budget, per variant in row order."""
        signals: list[Signal] = []
        for index, (drift, streams) in enumerate(zip(self.variants, self._streams, strict=True)):
            if len(streams) and len(scored.scores[index].rows):
                found = drift.update(*read_rows(scored, index, streams))
                # A version speaks as the variant that it is now.
                signals.extend(replace(signal, variant=self._served[index]) for signal in found)
        return signals

    def _named(self, variants: tuple[Variant, ...]) -> list[tuple[Variant, tuple[str, ...]]]:
        return [(variant, chosen.names) for variant, chosen in zip(variants, self._streams, strict=True)]


class VariantDrift:
    """The detectors of one variant: s streams that advance together, block by block.

    ADWIN and Page-Hinkley see standard scores of block means (`scale.Scale`), KSWIN sees sampled rows. A signal's
    `value` is the mean of the last 8 blocks and `reference` the mean of the reference (of KSWIN: of its
    window's new and old part), both in the stream's own unit; `rows_seen` is the variant's row at which it spoke.
    """

    def __init__(self, settings: DriftSettings, variant: Variant, names: Sequence[str]) -> None:
        self._variant = variant
        self._block_rows = settings.block_rows
        self._blocks = BlockMeans(len(names), settings.block_rows)
        chosen = {str(name): BLOCK_DETECTORS[name] for name in settings.detectors if name in BLOCK_DETECTORS}
        needed = max(8, settings.reference_rows // settings.block_rows)
        self._streams = [Stream(name, chosen, needed) for name in names] if chosen else []
        sampled = names if "kswin" in settings.detectors else ()
        self._sampled = SampledStreams(variant, sampled, settings.kswin_sample_every)
        self._budget = AlarmBudget(settings.alarm_budget_per_day)
        self._recent = np.full((_RECENT_BLOCKS, len(names)), np.nan)
        self._blocks_seen = 0

    @property
    def suppressed(self) -> int:
        """Signals beyond the alarm budget."""
        return self._budget.suppressed

    @property
    def missing(self) -> Int64:
        """Values left out because they were not finite, int64 (s,)."""
        return self._blocks.missing

    def update(self, rows: Float64, times_ms: Int64) -> list[Signal]:
        """Take in rows float64 (m, s) with event times int64 (m,); the signals within budget, in row order."""
        signals = self._sampled.update(rows, times_ms)
        means, ends_ms = self._blocks.add(rows, times_ms)
        if self._streams and len(means):
            signals.extend(self._detect(means, ends_ms))
        self._blocks_seen += len(means)
        # Stable: at one row the order of streams and detectors decides, so batching cannot.
        signals.sort(key=lambda signal: (signal.rows_seen, signal.detector == "kswin"))
        return [signal for signal in signals if self._budget.take(signal.at_ms)]

    def _detect(self, means: Float64, ends_ms: Int64) -> list[Signal]:
        history = np.concatenate([self._recent, means])
        scores, values = self._standardise(means).T.tolist(), means.T.tolist()
        whole = np.logical_and.reduce(np.isfinite(means), axis=0)
        signals: list[Signal] = []
        for s, stream in enumerate(self._streams):
            for block, detector, reference in stream.run(values[s], scores[s] if whole[s] else None):
                recent = history[block + 1 : block + 1 + _RECENT_BLOCKS, s]
                value = float(recent[np.isfinite(recent)].mean())
                at_ms, rows_seen = int(ends_ms[block]), (self._blocks_seen + block + 1) * self._block_rows
                signals.append(Signal(self._variant, detector, stream.name, at_ms, value, reference, rows_seen))
        self._recent = history[-_RECENT_BLOCKS:]
        return signals

    def _standardise(self, means: Float64) -> Float64:
        # The same operations in the same order as Scale.standardise, for all streams at once.
        phi, mean, spread, before = np.array([stream.parameters for stream in self._streams]).T
        lagged = np.concatenate([before[None], means[:-1]])
        with np.errstate(invalid="ignore"):
            scores: Float64 = ((means - phi * lagged) / (1.0 - phi) - mean) / spread
        return np.clip(scores, -CLIP, CLIP)
