"""Evidence gathered from scored batches and labels, while a rollout wants it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from threading import Lock

import numpy as np

from streamapp.config.settings import PipelineSettings
from streamapp.observe.bins import NUMBER_BINS, TIME_BINS, counted, number_bins, time_bins
from streamapp.observe.evidence import BOTH, CANDIDATE, CHAMPION, Evidence, feature_name, merged
from streamapp.observe.join import Joined
from streamapp.observe.quality import log_losses
from streamapp.observe.streams import Streams, read_rows, streams_of
from streamapp.types import Float64, ScoredBatch, Variant

DECISION = 0.5
"""The score at which a classifier's answer turns."""
MOST = 1e100
"""Of a score or label, either way: sums of squares stay finite, as a report cannot say infinity."""


@dataclass(frozen=True, slots=True)
class Watched:
    """Two variants to compare: evidence counts from the place `epoch` of the control log on."""

    epoch: int
    candidate: Variant
    champion: Variant


@dataclass(slots=True)
class _Gathered:
    watched: Watched
    evidence: Evidence = field(default_factory=Evidence)


class EvidenceGatherer:
    """Counts per model that is watched. Only rows count that were scored by just the versions that are compared, and
    labels of predictions that they made. Any thread."""

    def __init__(self, settings: PipelineSettings) -> None:
        outcomes = settings.outcomes
        self._score = outcomes.score if outcomes is not None else None
        self._classifies = outcomes is None or outcomes.task == "binary_classification"
        self._streams = {
            name: Streams(streams.features, streams.fields)
            for name, streams in zip(settings.variants, streams_of(settings), strict=True)
        }
        self._lock = Lock()
        self._gathered: dict[str, _Gathered] = {}

    def watch(self, watched: Mapping[str, Watched]) -> None:
        """From now on these, by model. What is watched already goes on; a new epoch starts with nothing."""
        with self._lock:
            before = self._gathered
            self._gathered = {
                model: before[model] if model in before and before[model].watched == each else _Gathered(each)
                for model, each in watched.items()
            }

    def evidence(self) -> Mapping[str, tuple[int, Evidence]]:
        """Model -> epoch and a copy of what was counted."""
        with self._lock:
            return {model: (each.watched.epoch, merged([each.evidence])) for model, each in self._gathered.items()}

    def observe(self, scored: ScoredBatch) -> None:
        """Count a scored batch."""
        with self._lock:
            for each in self._gathered.values():
                sides = _places(scored.variants, each.watched)
                for side, index in sides.items():
                    self._count(each.evidence, side, scored, index)
                if len(sides) == 2:
                    self._compare(each.evidence, scored, sides[CANDIDATE], sides[CHAMPION])

    def joined(self, joined: Joined, variants: tuple[Variant, ...]) -> None:
        """Count predictions whose labels came; the columns are those of `variants`."""
        with self._lock:
            for each in self._gathered.values():
                for side, index in _places(variants, each.watched).items():
                    self._judge(each.evidence, side, joined, index)

    def _count(self, evidence: Evidence, side: str, scored: ScoredBatch, index: int) -> None:
        block, answers = scored.scores[index], scored.routes.answers
        failed = [*scored.features[index].failures, *block.failures]
        own = answers == index
        lost = [row for row in scored.failures if own[row]]
        evidence.add(side, "scored", len(block.rows))
        evidence.add(side, "failed", len(failed))
        evidence.add(side, "dead_letters", len(lost))
        own[lost] = False
        answered = np.flatnonzero(own)
        evidence.add(side, "answered", len(answered))
        if len(answered):
            took_s = (scored.scored_at_ms - scored.records.timestamps_ms[answered]) / 1000.0
            evidence.add(side, "latency", counted(time_bins(took_s), TIME_BINS))
        if len(block.rows):
            took = np.zeros(TIME_BINS)
            took[time_bins(np.array([block.seconds]))] = len(block.rows)
            evidence.add(side, "model_time", took)
            scores = self._scores(scored, index)
            evidence.add(side, "scores", counted(number_bins(scores), NUMBER_BINS))
            evidence.add(side, "score_sum", float(np.clip(scores, -MOST, MOST).sum()))
            self._features(evidence, side, scored, index)

    def _features(self, evidence: Evidence, side: str, scored: ScoredBatch, index: int) -> None:
        variant = scored.variants[index]
        streams = self._streams[variant.wiring or variant.name]
        if not len(streams):
            return
        values, _ = read_rows(scored, index, streams)
        known = np.isfinite(values)
        places = number_bins(np.where(known, values, 0.0)) + NUMBER_BINS * np.arange(values.shape[1])
        counts = counted(places[known], NUMBER_BINS * values.shape[1]).reshape(-1, NUMBER_BINS)
        for name, numbers in zip(streams.names, counts, strict=True):
            evidence.add(side, feature_name(name), numbers)

    def _scores(self, scored: ScoredBatch, index: int) -> Float64:
        block = scored.scores[index]
        column = block.names.index(self._score) if self._score in block.names else 0
        return block.values[:, column]

    def _compare(self, evidence: Evidence, scored: ScoredBatch, candidate: int, champion: int) -> None:
        """Count the rows that both have scored."""
        blocks = scored.scores[candidate], scored.scores[champion]
        _, ours, theirs = np.intersect1d(blocks[0].rows, blocks[1].rows, assume_unique=True, return_indices=True)
        if not len(ours):
            return
        a, b = self._scores(scored, candidate)[ours], self._scores(scored, champion)[theirs]
        apart = np.minimum(np.abs(a - b), MOST)
        evidence.add(BOTH, "scored", len(ours))
        evidence.add(BOTH, "differences", counted(number_bins(apart), NUMBER_BINS))
        evidence.add(BOTH, "difference_sum", float(apart.sum()))
        if self._classifies:
            evidence.add(BOTH, "agreed", int(((a >= DECISION) == (b >= DECISION)).sum()))

    def _judge(self, evidence: Evidence, side: str, joined: Joined, index: int) -> None:
        scores, labels = joined.scores[:, index], joined.labels
        known = (np.abs(scores) <= MOST) & (np.abs(labels) <= MOST)
        rewards = labels[known & (joined.answers == index)]
        scores, labels = scores[known], labels[known]
        if not len(scores):
            return
        errors = scores - labels
        evidence.add(side, "labels", len(scores))
        evidence.add(side, "squared_error", float(np.square(errors).sum()))
        evidence.add(side, "absolute_error", float(np.abs(errors).sum()))
        evidence.add(side, "rewards", np.array([len(rewards), rewards.sum(), np.square(rewards).sum()]))
        if self._classifies:
            evidence.add(side, "log_loss", float(log_losses(scores, labels).sum()))
            bins, positive = number_bins(scores), labels > DECISION
            evidence.add(side, "positive_scores", counted(bins[positive], NUMBER_BINS))
            evidence.add(side, "negative_scores", counted(bins[~positive], NUMBER_BINS))


def _places(variants: tuple[Variant, ...], watched: Watched) -> dict[str, int]:
    """Side -> index of the variant, where it is served by the version that is compared."""
    wanted = {CANDIDATE: watched.candidate, CHAMPION: watched.champion}
    return {
        side: index
        for side, variant in wanted.items()
        for index, there in enumerate(variants)
        if (there.name, there.model_name, there.model_version)
        == (variant.name, variant.model_name, variant.model_version)
    }
