import logging
import math
import threading
from collections.abc import Callable

import numpy as np
import pytest

from streamapp.config.settings import PipelineSettings
from streamapp.observe.join import Joined
from streamapp.observe.metrics import Metrics, new_registry
from streamapp.observe.observation import Observation
from streamapp.protocols import Observer
from streamapp.types import OutcomeBatch, ScoredBatch, Variant

Make = Callable[..., PipelineSettings]
Batch = Callable[..., ScoredBatch]


def _observation(
    settings: PipelineSettings,
    variants: tuple[Variant, ...],
    on_joined: Callable[[Joined, tuple[Variant, ...]], None] | None = None,
) -> tuple[Observation, Metrics]:
    metrics = Metrics(settings, variants, new_registry())
    return Observation(settings, variants, metrics, on_joined), metrics


def _truth(batch: ScoredBatch, scores: np.ndarray) -> OutcomeBatch:
    return OutcomeBatch(batch.events.ids, (scores > 0.5).astype(float), batch.events.event_times_ms + 60_000, {})


def test_outcomes_turn_into_quality_per_variant(
    pipeline: Make, scored_batch: Batch, variants: tuple[Variant, ...]
) -> None:
    seen: list[Joined] = []
    observation, metrics = _observation(pipeline(), variants, lambda joined, _: seen.append(joined))
    observer: Observer = observation
    scores = np.random.RandomState(1).random_sample(400)
    batch = scored_batch(400, scores=scores)
    observer.observe(batch)
    assert observation.quality() == {"champion": {"rows": 0.0}, "challenger": {"rows": 0.0}}
    observation.join(_truth(batch, scores))
    quality = observation.quality()
    assert quality["champion"]["auc"] == quality["challenger"]["auc"] == 1.0
    assert quality["champion"]["rows"] + quality["challenger"]["rows"] == 400
    (joined,) = seen
    assert joined.ids == batch.events.ids
    np.testing.assert_array_equal(joined.answers, batch.routes.answers)
    np.testing.assert_array_equal(np.nanmax(joined.scores, axis=1), scores)
    page = metrics.render().decode()
    assert 'streamapp_quality_auc{variant="champion"} 1.0' in page
    assert "streamapp_outcomes_joined_total 400.0" in page
    assert 'streamapp_join_pending_rows{side="predictions"} 0.0' in page


def test_shadows_are_judged_too(pipeline: Make, scored_batch: Batch, variants: tuple[Variant, ...]) -> None:
    observation, metrics = _observation(pipeline(), variants)
    scores = np.random.RandomState(1).random_sample(200)
    batch = scored_batch(200, scores=scores, shadow=True)
    observation.observe(batch)
    observation.join(_truth(batch, scores))
    quality = observation.quality()
    assert quality["challenger"]["rows"] == 200
    assert quality["champion"]["rows"] == (batch.routes.answers == 0).sum()
    page = metrics.render().decode()
    assert 'streamapp_quality_rows{variant="challenger"} 200.0' in page
    assert 'streamapp_quality_auc{variant="challenger"} 1.0' in page


def test_quality_is_of_the_last_rows(pipeline: Make, scored_batch: Batch, variants: tuple[Variant, ...]) -> None:
    outcomes = {"topic": "a", "id": "id", "label": "late", "score": "late", "metrics_window": 100}
    observation, _ = _observation(pipeline(outcomes=outcomes), variants)
    scores = np.random.RandomState(1).random_sample(600)
    for first, truth in ((0, 1.0 - scores), (600, scores)):
        batch = scored_batch(600, scores=scores, first_id=first)
        observation.observe(batch)
        observation.join(_truth(batch, truth))
    assert [observation.quality()[v.name]["auc"] for v in variants] == [1.0, 1.0]
    assert observation.quality()["champion"]["rows"] == 100


def test_regression_is_judged_by_its_errors(pipeline: Make, scored_batch: Batch, variants: tuple[Variant, ...]) -> None:
    outcomes = {"topic": "a", "id": "id", "label": "delay", "score": "late", "task": "regression"}
    observation, metrics = _observation(pipeline(outcomes=outcomes), variants)
    batch = scored_batch(50, scores=np.full(50, 3.0))
    observation.observe(batch)
    observation.join(OutcomeBatch(batch.events.ids, np.full(50, 5.0), batch.events.event_times_ms, {}))
    assert observation.quality()["champion"]["bias"] == -2.0
    assert 'streamapp_quality_mae{variant="challenger"} 2.0' in metrics.render().decode()


def test_signals_are_drained_once_counted_and_logged(
    pipeline: Make, scored_batch: Batch, variants: tuple[Variant, ...], caplog: pytest.LogCaptureFixture
) -> None:
    observation, metrics = _observation(pipeline(drift={"reference_rows": 400}), variants)
    counter = 'streamapp_drift_signals_total{detector="page_hinkley",feature="distance",variant="champion"}'
    assert f"{counter} 0.0" in metrics.render().decode()
    with caplog.at_level(logging.DEBUG, logger="streamapp.observe"):
        for i in range(40):
            batch = scored_batch(256, seed=i, first_id=256 * i)
            if i >= 20:
                batch.events.columns["distance"][:] += 900.0
            observation.observe(batch)
    signals = observation.drain()
    assert {(s.variant.name, s.feature) for s in signals} == {("champion", "distance"), ("challenger", "distance")}
    assert observation.drain() == []
    warnings = [r for r in caplog.records if r.levelno == logging.WARNING]
    assert len(warnings) == len(signals)
    assert len([r for r in caplog.records if r.levelno == logging.DEBUG]) == 40
    assert f"{counter} 1.0" in metrics.render().decode()


def test_without_drift_and_outcomes_it_only_counts(
    pipeline: Make, scored_batch: Batch, variants: tuple[Variant, ...]
) -> None:
    observation, metrics = _observation(pipeline(drift={"enabled": False}, outcomes=None), variants)
    batch = scored_batch(10)
    observation.observe(batch)
    observation.join(_truth(batch, np.ones(10)))
    assert (observation.drain(), observation.quality()) == ([], {})
    assert "streamapp_observed_events_total 10.0" in metrics.render().decode()
    assert "streamapp_outcomes" not in metrics.render().decode()


def test_a_variant_without_the_judged_score_is_not_judged(
    pipeline: Make, scored_batch: Batch, variants: tuple[Variant, ...]
) -> None:
    outcomes = {"topic": "a", "id": "id", "label": "late", "score": "another"}
    observation, _ = _observation(pipeline(outcomes=outcomes, drift={"enabled": False}), variants)
    batch = scored_batch(10)
    observation.observe(batch)
    observation.join(_truth(batch, np.ones(10)))
    assert observation.quality()["champion"] == {"rows": 0.0}


def test_an_empty_batch_changes_nothing(pipeline: Make, scored_batch: Batch, variants: tuple[Variant, ...]) -> None:
    observation, metrics = _observation(pipeline(), variants)
    observation.observe(scored_batch(0))
    observation.join(OutcomeBatch([], np.empty(0), np.empty(0, np.int64), {}))
    assert "streamapp_observed_events_total 0.0" in metrics.render().decode()


def test_scrapes_from_another_thread_see_whole_batches(
    pipeline: Make, scored_batch: Batch, variants: tuple[Variant, ...]
) -> None:
    observation, metrics = _observation(pipeline(), variants)
    batches = [scored_batch(64, seed=i, first_id=64 * i) for i in range(100)]
    truths = [_truth(batch, np.nan_to_num(batch.events.columns["delay"])) for batch in batches]
    totals: list[float] = []
    done = threading.Event()

    def scrape() -> None:
        while not done.is_set():
            lines = metrics.render().decode().splitlines()
            (total,) = (line for line in lines if line.startswith("streamapp_observed_events_total "))
            totals.append(float(total.split()[1]))

    thread = threading.Thread(target=scrape)
    thread.start()
    for batch, truth in zip(batches, truths, strict=True):
        observation.observe(batch)
        observation.join(truth)
    done.set()
    thread.join()
    assert totals == sorted(totals)
    assert {total % 64 for total in totals} <= {0.0}
    rows = sum(quality["rows"] for quality in observation.quality().values())
    assert rows == 6400
    assert all(not math.isnan(q["auc"]) for q in observation.quality().values())
