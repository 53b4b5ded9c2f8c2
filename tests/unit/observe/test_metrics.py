from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import prometheus_client
import pytest
from prometheus_client.parser import text_string_to_metric_families

from streamapp.config.settings import PipelineSettings
from streamapp.observe.families import CATALOGUE, sample_names
from streamapp.observe.metrics import Metrics, new_registry
from streamapp.observe.sources import feature_readings
from streamapp.types import Failure, ScoredBatch, Signal, Variant

Make = Callable[..., PipelineSettings]
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def _scrape(metrics: Metrics) -> Samples:
    families = text_string_to_metric_families(metrics.render().decode())
    return {(s.name, frozenset(s.labels.items())): s.value for family in families for s in family.samples}


def _value(metrics: Metrics, name: str, **labels: str) -> float:
    return _scrape(metrics)[name, frozenset(labels.items())]


@pytest.fixture
def metrics(pipeline: Make, variants: tuple[Variant, ...]) -> Metrics:
    return Metrics(pipeline(), variants, new_registry(), "flights_repo")


def test_variants_start_at_zero(metrics: Metrics) -> None:
    assert _value(metrics, "streamapp_events_total") == 0
    assert _value(metrics, "streamapp_predictions_total", variant="champion") == 0


def test_a_batch_is_counted_by_variant(metrics: Metrics, scored_batch: Callable[..., ScoredBatch]) -> None:
    failures = {3: Failure("decode", "schema", "no hour"), 7: Failure("infer", "inference", "NaN")}
    batch = scored_batch(100, failures=failures)
    metrics.scored(batch)
    metrics.scored(batch)
    answered = [int((batch.routes.answers == v).sum()) for v in (0, 1)]
    assert _value(metrics, "streamapp_observed_events_total") == 200
    assert _value(metrics, "streamapp_predictions_total", variant="champion") == 2 * answered[0]
    assert _value(metrics, "streamapp_predictions_total", variant="challenger") == 2 * answered[1]
    assert _value(metrics, "streamapp_scored_rows_total", variant="champion") == 2 * answered[0]
    assert _value(metrics, "streamapp_dead_letters_total", stage="decode", code="schema") == 2
    assert _value(metrics, "streamapp_dead_letters_total", stage="infer", code="inference") == 2
    assert _value(metrics, "streamapp_event_time_seconds") == 1099.0


def test_an_answer_that_failed_late_is_no_prediction(
    metrics: Metrics, scored_batch: Callable[..., ScoredBatch]
) -> None:
    batch = scored_batch(10, failures={4: Failure("infer", "inference", "NaN")})
    batch.routes.answers[4] = 0
    metrics.scored(batch)
    champion, challenger = (
        _value(metrics, "streamapp_predictions_total", variant=v) for v in ("champion", "challenger")
    )
    assert champion + challenger == 9


def test_shadows_score_but_do_not_answer(metrics: Metrics, scored_batch: Callable[..., ScoredBatch]) -> None:
    batch = scored_batch(64, shadow=True)
    batch.routes.answers[:] = 0
    metrics.scored(batch)
    assert _value(metrics, "streamapp_scored_rows_total", variant="challenger") == 64
    assert _value(metrics, "streamapp_predictions_total", variant="challenger") == 0


def test_latency_and_feature_ages(metrics: Metrics, scored_batch: Callable[..., ScoredBatch]) -> None:
    batch = scored_batch(2)
    for block in batch.features:
        block.ages_s[:] = np.linspace(90.0, 400.0, len(block.rows), dtype=np.float32)[:, None]
    metrics.scored(batch)
    # Two records, scored 1.25 s and 0.25 s after their timestamps.
    assert _value(metrics, "streamapp_end_to_end_seconds_bucket", le="0.25") == 1
    assert _value(metrics, "streamapp_end_to_end_seconds_bucket", le="+Inf") == 2
    assert _value(metrics, "streamapp_end_to_end_seconds_sum") == pytest.approx(1.5)
    scraped = _scrape(metrics)
    ages = [v for (name, _), v in scraped.items() if name == "streamapp_feature_age_seconds_count"]
    assert sum(ages) == 2
    assert _value(metrics, "feast_feature_freshness_seconds", feature_view="weather", project="flights_repo") == 90.0


def test_a_producer_whose_clock_is_ahead_counts_as_no_delay(
    metrics: Metrics, scored_batch: Callable[..., ScoredBatch]
) -> None:
    batch = scored_batch(2)
    batch.records.timestamps_ms[:] += 60_000
    metrics.scored(batch)
    assert _value(metrics, "streamapp_end_to_end_seconds_sum") == 0.0


def test_rows_without_a_feature_have_no_age(metrics: Metrics, scored_batch: Callable[..., ScoredBatch]) -> None:
    batch = scored_batch(40)
    batch.features[0].ages_s[1:] = np.nan
    batch.features[0].freshness[1:] = 2
    metrics.scored(batch)
    champion = {"variant": "champion", "feature_view": "weather"}
    assert _value(metrics, "streamapp_feature_age_seconds_count", **champion) == 1
    assert _value(metrics, "streamapp_feature_rows_total", **champion, freshness="fresh") == 1
    rows = len(batch.features[0].rows)
    assert _value(metrics, "streamapp_feature_rows_total", **champion, freshness="defaulted") == rows - 1


def test_stages_are_timed_per_batch(metrics: Metrics) -> None:
    for _ in range(3):
        metrics.batch(256, {"prepare": 0.004, "score": 0.0002})
    assert _value(metrics, "streamapp_events_total") == 768
    assert _value(metrics, "streamapp_batch_rows_bucket", le="256.0") == 3
    assert _value(metrics, "streamapp_batch_rows_bucket", le="128.0") == 0
    assert _value(metrics, "streamapp_stage_seconds_sum", stage="prepare") == pytest.approx(0.012)
    assert _value(metrics, "streamapp_stage_seconds_bucket", stage="score", le="0.00025") == 3


def test_signals_are_counted_by_what_spoke(metrics: Metrics, variants: tuple[Variant, ...]) -> None:
    metrics.signal(Signal(variants[0], "adwin", "weather:f1", 0, 1.0, 0.0, 100))
    labels = {"variant": "champion", "detector": "adwin", "feature": "weather:f1"}
    assert _value(metrics, "streamapp_drift_signals_total", **labels) == 1


@dataclass(frozen=True)
class _Counts:
    rows_cached: int = 90
    rows_read: int = 10
    store_reads: int = 3
    store_failures: int = 1
    evictions: int = 2
    cached_entities: Mapping[str, int] = field(default_factory=lambda: {"weather": 5})


def test_sources_are_read_when_someone_scrapes(metrics: Metrics) -> None:
    lag = {("flights", "0"): 5.0}
    metrics.read_from(lambda: {"streamapp_consumer_lag_records": lag})
    metrics.read_from(feature_readings(_Counts))
    assert _value(metrics, "streamapp_consumer_lag_records", topic="flights", partition="0") == 5
    lag["flights", "0"] = 0.0
    assert _value(metrics, "streamapp_consumer_lag_records", topic="flights", partition="0") == 0
    assert _value(metrics, "streamapp_cache_hits_total") == 90
    assert _value(metrics, "streamapp_cache_entities", feature_view="weather") == 5


def test_a_source_may_only_give_what_the_catalogue_names(metrics: Metrics) -> None:
    metrics.read_from(lambda: {"streamapp_flights_by_passenger_total": {("u1",): 1.0}})
    with pytest.raises(KeyError, match="by_passenger"):
        metrics.render()


def test_only_names_of_the_catalogue_are_scraped(metrics: Metrics, scored_batch: Callable[..., ScoredBatch]) -> None:
    metrics.scored(scored_batch(10))
    metrics.batch(10, {"score": 0.1})
    assert {name for name, _ in _scrape(metrics)} <= sample_names()


def test_a_registry_refuses_two_of_them(pipeline: Make, variants: tuple[Variant, ...]) -> None:
    registry = new_registry()
    Metrics(pipeline(), variants, registry)
    with pytest.raises(ValueError, match="Duplicated timeseries"):
        Metrics(pipeline(), variants, registry)


def test_the_global_registry_stays_as_it_is(metrics: Metrics) -> None:
    assert b"streamapp" not in prometheus_client.generate_latest(prometheus_client.REGISTRY)


def test_names_follow_the_conventions() -> None:
    for family in CATALOGUE:
        assert family.name.endswith("_total") == (family.kind == "counter"), family.name
        assert bool(family.bounds) == (family.kind == "histogram"), family.name
        assert list(family.bounds) == sorted(family.bounds), family.name
    assert len({family.name for family in CATALOGUE}) == len(CATALOGUE)


def test_the_documentation_names_every_family_once() -> None:
    text = (Path(__file__).parents[3] / "docs" / "metrics.md").read_text()
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    assert rows == [
        f"| `{f.name}` | {f.kind} | {', '.join(f'`{label}`' for label in f.labels)} | {f.meaning} |" for f in CATALOGUE
    ]
