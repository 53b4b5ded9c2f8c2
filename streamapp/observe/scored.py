"""What a scored batch adds to the counts: once per batch, columns at a time."""

from collections import Counter

import numpy as np

from streamapp.config.settings import PipelineSettings
from streamapp.observe.shadows import ShadowComparison, compare
from streamapp.observe.tallies import Labels, Tallies
from streamapp.types import FeatureBlock, Freshness, ScoredBatch, Variant

_FRESHNESS = tuple(level.name.lower() for level in Freshness)


class ScoredTallies(Tallies):
    """The tallies of scored batches. The counters of every variant start at 0, so that rates are right from the
    first event on."""

    def __init__(self, settings: PipelineSettings, variants: tuple[Variant, ...], project: str) -> None:
        super().__init__()
        self._project = project
        self._shadows = ShadowComparison(settings)
        self.count("streamapp_observed_events_total", (), 0)
        for v in variants:
            for family in ("predictions", "scored_rows", "failed_rows", "shadow_rows", "shadow_failures"):
                self.count(f"streamapp_{family}_total", (v.name,), 0)
        self._follow(variants)

    def add(self, scored: ScoredBatch) -> None:
        """Count one scored batch."""
        n = len(scored)
        if not n:
            return
        if scored.variants != self._variants:
            self._follow(scored.variants)
        self.count("streamapp_observed_events_total", (), n)
        late_s = np.maximum(scored.scored_at_ms - scored.records.timestamps_ms, 0) / 1000.0
        self.histogram("streamapp_end_to_end_seconds", ()).add_all(late_s)
        self.values["streamapp_last_batch_timestamp_seconds"][()] = scored.scored_at_ms / 1000.0
        if scored.late is not None:
            self.count("streamapp_late_rows_total", (scored.late.policy,), len(scored.late.rows))
        self._event_time(scored)
        self._answers(scored)
        self._scores(scored)
        for variant, block in zip(self._variants, scored.features, strict=True):
            self._features(variant.name, block)

    def _follow(self, variants: tuple[Variant, ...]) -> None:
        """From now on `variants` score."""
        self._variants = variants
        self._pairs = self._shadows.pairs(variants)
        for shadow, scores in enumerate(self._pairs):
            for answering in scores:
                self._agree(self._labels(shadow, answering), 0, 0)

    def _event_time(self, scored: ScoredBatch) -> None:
        # A failed row holds filler, so it may not move the clock.
        times_ms = scored.events.event_times_ms
        if scored.failures:
            times_ms = np.delete(times_ms, list(scored.failures))
        if len(times_ms):
            gauge = self.values["streamapp_event_time_seconds"]
            gauge[()] = max(gauge.get((), 0.0), int(times_ms.max()) / 1000.0)

    def _answers(self, scored: ScoredBatch) -> None:
        answers = scored.routes.answers
        if scored.failures:
            answers = np.delete(answers, list(scored.failures))
            for cause, rows in Counter((f.stage, f.code) for f in scored.failures.values()).items():
                self.count("streamapp_dead_letters_total", cause, rows)
        counts = np.bincount(answers + 1, minlength=len(self._variants) + 1)[1:].tolist()
        for variant, rows in zip(self._variants, counts, strict=True):
            self.count("streamapp_predictions_total", (variant.name,), rows)

    def _scores(self, scored: ScoredBatch) -> None:
        answers = scored.routes.answers
        for index, variant in enumerate(self._variants):
            block, labels = scored.scores[index], (variant.name,)
            self.count("streamapp_scored_rows_total", labels, len(block.rows))
            if len(block.rows):
                self.histogram("streamapp_model_seconds", labels).add(block.seconds)
                if shadowed := int(np.count_nonzero(answers[block.rows] != index)):
                    self.count("streamapp_shadow_rows_total", labels, shadowed)
                    self._compare(scored, index)
            if failed := [*scored.features[index].failures, *block.failures]:
                self.count("streamapp_failed_rows_total", labels, len(failed))
                self.count("streamapp_shadow_failures_total", labels, int(np.count_nonzero(answers[failed] != index)))

    def _compare(self, scored: ScoredBatch, shadow: int) -> None:
        for found in compare(scored, shadow, self._pairs[shadow]):
            labels = self._labels(shadow, found.answering)
            self._agree(labels, len(found.said), found.agreeing)
            self.histogram("streamapp_shadow_score_difference", labels).add_all(found.differences)

    def _agree(self, labels: Labels, rows: int, agreeing: int) -> None:
        self.count("streamapp_shadow_compared_rows_total", labels, rows)
        if self._shadows.decides:
            self.count("streamapp_shadow_agreeing_rows_total", labels, agreeing)

    def _labels(self, shadow: int, answering: int) -> Labels:
        return self._variants[shadow].name, self._variants[answering].name

    def _features(self, variant: str, block: FeatureBlock) -> None:
        if not block.ages_s.size:
            return
        missing = np.isnan(block.ages_s)
        some_missing = bool(missing.any())
        for j, view in enumerate(block.views):
            levels = np.bincount(block.freshness[:, j], minlength=len(_FRESHNESS)).tolist()
            for level, rows in zip(_FRESHNESS, levels, strict=True):
                if rows:
                    self.count("streamapp_feature_rows_total", (variant, view, level), rows)
            ages_s = block.ages_s[:, j].astype(np.float64)
            if some_missing:
                ages_s = ages_s[~missing[:, j]]
            if len(ages_s):
                self.histogram("streamapp_feature_age_seconds", (variant, view)).add_all(ages_s)
                self.values["feast_feature_freshness_seconds"][view, self._project] = float(ages_s.min())
