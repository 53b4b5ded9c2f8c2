"""Observers while versions change: labels are credited to who made the prediction."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from streamapp.config.settings import PipelineSettings
from streamapp.observe.evidence import BOTH, CANDIDATE, CHAMPION, Evidence, from_document, to_document
from streamapp.observe.gather import EvidenceGatherer, Watched
from streamapp.observe.join import Joined
from streamapp.observe.measures import measures
from streamapp.observe.metrics import Metrics, new_registry
from streamapp.observe.observation import Observation
from streamapp.types import Failure, OutcomeBatch, ScoredBatch, Variant

Make = Callable[..., PipelineSettings]
Batch = Callable[..., ScoredBatch]

OLD = (Variant("champion", "flights", "1"), Variant("challenger", "flights", "2"))
PROMOTED = (Variant("champion", "flights", "2"), Variant("challenger", "flights", "1"))
NEXT = (Variant("champion", "flights", "2"), Variant("challenger", "flights", "3"))
SCORES = np.random.RandomState(1).random_sample(400)


def truth(batch: ScoredBatch) -> OutcomeBatch:
    return OutcomeBatch(batch.events.ids, (SCORES > 0.5).astype(float), batch.events.event_times_ms + 60_000, {})


@pytest.fixture
def gatherer(pipeline: Make) -> EvidenceGatherer:
    return EvidenceGatherer(pipeline())


@pytest.fixture
def observation(pipeline: Make, gatherer: EvidenceGatherer) -> Observation:
    settings = pipeline()
    return Observation(settings, OLD, Metrics(settings, OLD, new_registry()), gatherer.joined)


def watch(gatherer: EvidenceGatherer, variants: tuple[Variant, ...], epoch: int = 1) -> None:
    champion, candidate = variants
    gatherer.watch({"flights": Watched(epoch, candidate, champion)})


def seen(gatherer: EvidenceGatherer) -> Evidence:
    return gatherer.evidence()["flights"][1]


def test_quality_goes_with_a_promoted_version(observation: Observation, scored_batch: Batch) -> None:
    batch = scored_batch(400, scores=SCORES)
    observation.observe(batch)
    observation.join(truth(batch))
    before = observation.quality()
    observation.observe(replace(scored_batch(1, first_id=900), variants=PROMOTED))
    after = observation.quality()
    assert (after["champion"], after["challenger"]) == (before["challenger"], before["champion"])


def test_a_label_is_credited_to_the_version_that_made_the_prediction(
    observation: Observation, scored_batch: Batch
) -> None:
    batch = scored_batch(400, scores=SCORES)
    observation.observe(batch)
    observation.observe(replace(scored_batch(1, first_id=900), variants=NEXT))
    observation.join(truth(batch))
    quality = observation.quality()
    # Version 2 is the champion now; what version 1 said is credited to nobody, least of all to version 3.
    assert quality["champion"]["rows"] == int((batch.routes.answers == 1).sum())
    assert quality["challenger"]["rows"] == 0


def test_evidence_counts_answers_failures_and_labels(
    observation: Observation, gatherer: EvidenceGatherer, scored_batch: Batch
) -> None:
    watch(gatherer, OLD)
    batch = scored_batch(400, scores=SCORES)
    observation.observe(batch)
    gatherer.observe(batch)
    observation.join(truth(batch))
    answered = int((batch.routes.answers == 1).sum())
    found = measures(seen(gatherer))
    assert (found["rows"], found["champion_rows"]) == (answered, 400 - answered)
    assert (found["labels"], found["auc"], found["error_rate"]) == (answered, 1.0, 0.0)
    assert found["reward_mean"] == pytest.approx((SCORES[batch.routes.answers == 1] > 0.5).mean())
    assert found["latency_p50_ms"] * 1000 > 200
    assert "agreement" not in found


def test_a_failed_row_counts_for_whoever_was_to_answer_it(gatherer: EvidenceGatherer, scored_batch: Batch) -> None:
    watch(gatherer, OLD)
    batch = scored_batch(400, scores=SCORES)
    (row, *_) = np.flatnonzero(batch.routes.answers == 1).tolist()
    failure = {row: Failure("infer", "model_error", "it broke")}
    block = batch.scores[1]
    kept = block.rows != row
    failing = replace(block, rows=block.rows[kept], values=block.values[kept], failures=failure)
    gatherer.observe(replace(batch, scores=(batch.scores[0], failing), failures=failure))
    evidence = seen(gatherer)
    assert (evidence.one(CANDIDATE, "dead_letters"), evidence.one(CANDIDATE, "failed")) == (1, 1)
    assert (evidence.one(CHAMPION, "dead_letters"), evidence.one(CHAMPION, "failed")) == (0, 0)


def test_a_shadow_is_compared_on_the_same_rows(gatherer: EvidenceGatherer, scored_batch: Batch) -> None:
    watch(gatherer, OLD)
    batch = scored_batch(400, scores=SCORES, shadow=True)
    other = replace(batch.scores[1], values=1 - batch.scores[1].values)
    gatherer.observe(replace(batch, scores=(batch.scores[0], other)))
    evidence, mine = seen(gatherer), batch.scores[0].rows
    assert evidence.one(BOTH, "scored") == len(mine)
    found = measures(evidence)
    assert found["agreement"] == 0
    assert found["score_difference_mean"] == pytest.approx(np.abs(2 * SCORES[mine] - 1).mean())


def test_rows_of_other_versions_and_of_other_epochs_do_not_count(
    gatherer: EvidenceGatherer, scored_batch: Batch
) -> None:
    watch(gatherer, NEXT)
    gatherer.observe(scored_batch(100))
    assert measures(seen(gatherer))["rows"] == 0
    gatherer.observe(replace(scored_batch(100), variants=NEXT))
    watch(gatherer, NEXT)
    assert measures(seen(gatherer))["rows"] > 0
    watch(gatherer, NEXT, epoch=2)
    assert measures(seen(gatherer))["rows"] == 0


def test_missing_features_are_left_out(gatherer: EvidenceGatherer, scored_batch: Batch) -> None:
    watch(gatherer, OLD)
    batch = scored_batch(300)
    blocks = tuple(replace(block, values=np.full_like(block.values, np.nan)) for block in batch.features)
    gatherer.observe(replace(batch, features=blocks))
    evidence = seen(gatherer)
    assert evidence.of(CANDIDATE, "feature:weather:f0").sum() == 0
    assert evidence.of(CANDIDATE, "feature:distance").sum() == (batch.routes.answers == 1).sum()


@pytest.mark.parametrize(("score", "label"), [(0.5, 1e200), (-1e200, 0.5), (0.5, np.inf)])
def test_what_no_sum_can_hold_hides_nothing_else(gatherer: EvidenceGatherer, score: float, label: float) -> None:
    watch(gatherer, OLD)
    scores, labels = np.array([[0.5, 0.25], [0.5, score]]), np.array([0.5, label])
    now, one = np.zeros(2, np.int64), np.ones(2, np.int16)
    gatherer.joined(Joined(["a", "b"], now, one, scores, labels, np.zeros(2, np.int32)), OLD)
    found = measures(from_document(to_document(seen(gatherer))))
    assert (found["labels"], found["rmse"]) == (1, 0.25)
