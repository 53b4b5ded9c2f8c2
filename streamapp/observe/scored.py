"""What a scored batch adds to the counts: once per batch, columns at a time."""

from collections import Counter

import numpy as np

from streamapp.observe.tallies import Tallies
from streamapp.types import FeatureBlock, Freshness, ScoredBatch, Variant

_FRESHNESS = tuple(level.name.lower() for level in Freshness)


class ScoredTallies(Tallies):
    """The tallies of scored batches. The counters of every variant start at 0, so that rates are right from the
    first event on."""

    def __init__(self, variants: tuple[Variant, ...], project: str) -> None:
        super().__init__()
        self._variants = variants
        self._project = project
        self.values["streamapp_observed_events_total"][()] = 0
        self._inform()
        for v in variants:
            for family in ("predictions", "scored_rows", "shadow_failures"):
                self.values[f"streamapp_{family}_total"][v.name,] = 0

    def add(self, scored: ScoredBatch) -> None:
        """Count one scored batch."""
        n = len(scored)
        if not n:
            return
        if scored.variants != self._variants:
            self._variants = scored.variants
            self._inform()
        self.count("streamapp_observed_events_total", (), n)
        late_s = np.maximum(scored.scored_at_ms - scored.records.timestamps_ms, 0) / 1000.0
        self.histogram("streamapp_end_to_end_seconds", ()).add_all(late_s)
        self.values["streamapp_last_batch_timestamp_seconds"][()] = scored.scored_at_ms / 1000.0
        if scored.late is not None:
            self.count("streamapp_late_rows_total", (scored.late.policy,), len(scored.late.rows))
        self._event_time(scored)
        self._answers(scored)
        for variant, block in zip(self._variants, scored.features, strict=True):
            self._features(variant.name, block)

    def _inform(self) -> None:
        self.values["streamapp_model_info"] = {(v.name, v.model_name, v.model_version): 1 for v in self._variants}

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
        for index, variant in enumerate(self._variants):
            features, scores = scored.features[index], scored.scores[index]
            self.count("streamapp_predictions_total", (variant.name,), counts[index])
            self.count("streamapp_scored_rows_total", (variant.name,), len(scores.rows))
            for block in (features, scores):
                if block.failures:
                    shadowed = len(block.failures.keys() - scored.failures.keys())
                    self.count("streamapp_shadow_failures_total", (variant.name,), shadowed)

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
