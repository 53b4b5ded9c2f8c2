"""All that is observed of a worker's batches: metrics, drift, outcomes and quality."""

import logging
from collections.abc import Callable, Mapping, Sequence
from threading import Lock

from streamapp.config.settings import PipelineSettings
from streamapp.observe.drift import DriftMonitor
from streamapp.observe.join import Joined
from streamapp.observe.judge import Judge
from streamapp.observe.losses import LossMonitor
from streamapp.observe.metrics import Metrics
from streamapp.observe.streams import Streams, streams_of
from streamapp.observe.tallies import Labels, Readings
from streamapp.types import OutcomeBatch, ScoredBatch, Signal, Variant

logger = logging.getLogger(__name__)


class Observation:
    """Sees every scored batch and every outcome, beside the hot path.

    `observe`, `join` and `drain` belong to the observer thread (or to several: they exclude each other);
    `quality` and the scrape may come from any thread. Nothing here blocks on anything but the lock. `on_joined` gets
    each batch of joined rows and the variants that its columns are of, in the thread that joined them.
    """

    def __init__(
        self,
        settings: PipelineSettings,
        variants: tuple[Variant, ...],
        metrics: Metrics,
        on_joined: Callable[[Joined, tuple[Variant, ...]], None] | None = None,
    ) -> None:
        self._variants = variants
        self._metrics = metrics
        self._on_joined = on_joined
        self._lock = Lock()
        self._signals: list[Signal] = []
        self._detectors = settings.drift.detectors
        self._streams_by_wiring = dict(zip(settings.variants, streams_of(settings), strict=True))
        streams = self._streams(variants)
        self._drift = DriftMonitor(settings.drift, variants, streams) if settings.drift.enabled else None
        self._losses: LossMonitor | None = None
        self._judge = Judge(settings.outcomes, variants) if settings.outcomes else None
        if settings.outcomes and settings.drift.enabled:
            self._losses = LossMonitor(
                variants,
                settings.outcomes.task == "binary_classification",
                settings.drift.block_rows,
                settings.drift.reference_rows,
                settings.drift.alarm_budget_per_day,
            )
        self._expect()
        metrics.read_from(self.readings)

    def observe(self, scored: ScoredBatch) -> None:
        """Take a scored batch in."""
        self._metrics.scored(scored)
        with self._lock:
            if scored.variants != self._variants:
                self._follow(scored.variants)
            signals = self._drift.observe(scored) if self._drift else []
            joined = self._judge.predicted(scored) if self._judge else None
            self._finish(signals, joined)
        if logger.isEnabledFor(logging.DEBUG):
            logger.debug(
                "batch observed rows=%d failed=%d joined=%d signals=%d",
                len(scored),
                len(scored.failures),
                len(joined) if joined else 0,
                len(signals),
            )

    def join(self, outcomes: OutcomeBatch) -> None:
        """Take outcomes in; without an `outcomes` section they are ignored."""
        if self._judge is None:
            return
        with self._lock:
            joined = self._judge.came_true(outcomes)
            self._finish([], joined)
        if logger.isEnabledFor(logging.DEBUG):
            logger.debug("outcomes observed rows=%d joined=%d", len(outcomes), len(joined))

    def drain(self) -> Sequence[Signal]:
        """The signals since the last call."""
        with self._lock:
            signals, self._signals = self._signals, []
        return signals

    def quality(self) -> Mapping[str, Mapping[str, float]]:
        """Variant -> measure -> value over its last `metrics_window` joined rows (`quality.classification` or
        `quality.regression`); empty without outcomes."""
        if self._judge is None:
            return {}
        with self._lock:
            copies = [window.copy() for window in self._judge.windows]
        measure = self._judge.measure
        return {variant.name: measure(*copy) for variant, copy in zip(self._variants, copies, strict=True)}

    def readings(self) -> Readings:
        """What this object counts, as metrics."""
        found: dict[str, Mapping[Labels, float]] = {}
        measured = self.quality()
        for name in {name for measures in measured.values() for name in measures}:
            found[f"streamapp_quality_{name}"] = {(v,): m[name] for v, m in measured.items() if name in m}
        with self._lock:
            if self._judge:
                found.update(self._judge.readings())
            if self._drift:
                found.update(self._drift_readings(self._drift))
        return found

    def _follow(self, variants: tuple[Variant, ...]) -> None:
        """From this batch on other versions serve."""
        self._variants = variants
        if self._drift:
            self._drift.follow(variants, self._streams(variants))
        if self._losses:
            self._losses.follow(variants)
        if self._judge:
            self._judge.follow(variants)
        self._expect()

    def _streams(self, variants: tuple[Variant, ...]) -> list[Streams]:
        return [self._streams_by_wiring[variant.wiring or variant.name] for variant in variants]

    def _expect(self) -> None:
        if self._drift:
            for variant, streams in zip(self._variants, self._streams(self._variants), strict=True):
                self._metrics.expect(variant.name, self._detectors, streams.names)

    def _finish(self, signals: list[Signal], joined: Joined | None) -> None:
        if joined is not None and len(joined):
            if self._losses:
                signals.extend(self._losses.observe(joined))
            if self._on_joined:
                self._on_joined(joined, self._variants)
        for signal in signals:
            self._metrics.signal(signal)
            logger.warning(
                "signal variant=%s detector=%s feature=%s value=%.6g reference=%.6g event_time_ms=%d rows_seen=%d",
                signal.variant.name,
                signal.detector,
                signal.feature,
                signal.value,
                signal.reference,
                signal.at_ms,
                signal.rows_seen,
            )
        self._signals.extend(signals)

    def _drift_readings(self, drift: DriftMonitor) -> Readings:
        suppressed: dict[Labels, float] = {}
        missing: dict[Labels, float] = {}
        streams = self._streams(self._variants)
        for index, (variant, watched) in enumerate(zip(self._variants, drift.variants, strict=True)):
            of_losses = self._losses.variants[index].suppressed if self._losses else 0
            suppressed[variant.name,] = watched.suppressed + of_losses
            for name, rows in zip(streams[index].names, watched.missing.tolist(), strict=True):
                missing[variant.name, name] = rows
        return {"streamapp_drift_suppressed_total": suppressed, "streamapp_drift_missing_values_total": missing}
