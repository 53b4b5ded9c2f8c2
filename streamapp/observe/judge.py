"""What outcomes say of the scores."""

import numpy as np

from streamapp.config.settings import OutcomeSettings
from streamapp.observe.follow import Tenures, carried
from streamapp.observe.join import Joined, OutcomeJoin
from streamapp.observe.quality import classification, regression
from streamapp.observe.tallies import Labels, Readings
from streamapp.observe.windows import LastRows
from streamapp.types import OutcomeBatch, ScoredBatch, Variant


class Judge:
    """Joins the judged score of each variant with outcomes and keeps the last joined rows of each. Columns of what it
    gives are those of the variants that serve now: a label is credited to the version that made the prediction.

    Not safe for threads: its owner locks.
    """

    def __init__(self, section: OutcomeSettings, variants: tuple[Variant, ...]) -> None:
        self.measure = classification if section.task == "binary_classification" else regression
        self.windows = [LastRows(section.metrics_window) for _ in variants]
        self._size = section.metrics_window
        self._tenures = Tenures(variants)
        self._score = section.score
        self._failed = 0
        self._join = OutcomeJoin(len(variants), round(section.join_window_s * 1000), section.max_pending)

    def follow(self, variants: tuple[Variant, ...]) -> None:
        """From now on `variants` serve."""
        self.windows = carried(self._tenures.now, variants, self.windows, lambda _: LastRows(self._size))
        self._tenures.follow(variants)

    def predicted(self, scored: ScoredBatch) -> Joined:
        """Remember what was scored; the pairs that complete outcomes which came earlier."""
        scores = np.full((len(scored), len(self.windows)), np.nan)
        for v, block in enumerate(scored.scores):
            if self._score in block.names:
                scores[block.rows, v] = block.values[:, block.names.index(self._score)]
        rows = np.flatnonzero(~np.isnan(scores).all(axis=1))
        ids = [scored.events.ids[r] for r in rows.tolist()]
        times_ms = scored.events.event_times_ms[rows]
        return self._remember(
            self._join.predicted(ids, times_ms, scored.routes.answers[rows], scores[rows], self._tenures.number)
        )

    def came_true(self, outcomes: OutcomeBatch) -> Joined:
        """Take outcomes in; the pairs they complete."""
        self._failed += len(outcomes.failures)
        return self._remember(self._join.came_true(outcomes))

    def readings(self) -> Readings:
        """The counts of the join, as metrics."""
        counts = self._join.counts
        pending: dict[Labels, float] = {
            ("predictions",): float(self._join.pending_predictions),
            ("outcomes",): float(self._join.pending_outcomes),
        }
        return {
            "streamapp_outcomes_joined_total": {(): counts.joined},
            "streamapp_outcomes_unmatched_total": {(): counts.unmatched},
            "streamapp_outcomes_failed_total": {(): float(self._failed)},
            "streamapp_predictions_expired_total": {(): counts.expired},
            "streamapp_join_evicted_total": {(): counts.evicted},
            "streamapp_join_duplicates_total": {(): counts.duplicates},
            "streamapp_join_pending_rows": pending,
        }

    def _remember(self, joined: Joined) -> Joined:
        if len(joined):
            joined = self._tenures.aligned(joined)
            for v, window in enumerate(self.windows):
                scored = ~np.isnan(joined.scores[:, v])
                window.add(joined.scores[scored, v], joined.labels[scored])
        return joined
