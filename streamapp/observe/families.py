"""Every metric there is: name, kind, labels, meaning. docs/metrics.md and the dashboards are checked against it."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Family:
    """One metric family. `bounds` are the bucket limits of a histogram, in the metric's unit."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    labels: tuple[str, ...]
    meaning: str
    bounds: tuple[float, ...] = ()


_LATENCY = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
_STAGE = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0)
_ROWS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0, 2048.0, 4096.0)
_DIFFERENCE = (0.0, 1e-6, 1e-4, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 10.0, 100.0, 1000.0)
_AGE = (1.0, 10.0, 60.0, 300.0, 900.0, 1800.0, 3600.0, 7200.0, 21600.0, 86400.0, 604800.0)

CATALOGUE: tuple[Family, ...] = (
    Family("streamapp_model_info", "gauge", ("variant", "model_name", "model_version"), "1 for each variant served"),
    Family("streamapp_variant_weight_ratio", "gauge", ("variant",), "share of the keys that the variant answers"),
    Family(
        "streamapp_variant_shadow_ratio", "gauge", ("variant",), "share of the keys that the variant scores as shadow"
    ),
    Family("streamapp_events_total", "counter", (), "events answered, as prediction or dead letter, and acknowledged"),
    Family("streamapp_observed_events_total", "counter", (), "events that the observers saw; drops are the difference"),
    Family("streamapp_predictions_total", "counter", ("variant",), "answers, by the variant that gave them"),
    Family("streamapp_scored_rows_total", "counter", ("variant",), "rows scored, as answer or as shadow"),
    Family(
        "streamapp_failed_rows_total",
        "counter",
        ("variant",),
        "rows that the variant could not score, as answer or as shadow",
    ),
    Family("streamapp_dead_letters_total", "counter", ("stage", "code"), "events without an answer, by cause"),
    Family(
        "streamapp_late_rows_total", "counter", ("policy",), "events past their deadline, by what was done with them"
    ),
    Family("streamapp_shadow_rows_total", "counter", ("variant",), "rows scored as shadow"),
    Family("streamapp_shadow_failures_total", "counter", ("variant",), "rows that a shadow failed to score"),
    Family(
        "streamapp_shadow_compared_rows_total",
        "counter",
        ("variant", "answered_by"),
        "rows that the shadow has scored and the other variant answered",
    ),
    Family(
        "streamapp_shadow_agreeing_rows_total",
        "counter",
        ("variant", "answered_by"),
        "such rows on which both decide alike: score above or below 0.5",
    ),
    Family(
        "streamapp_shadow_score_difference",
        "histogram",
        ("variant", "answered_by"),
        "absolute difference of the two scores of such rows",
        _DIFFERENCE,
    ),
    Family("streamapp_batch_rows", "histogram", (), "rows per micro-batch", _ROWS),
    Family("streamapp_stage_seconds", "histogram", ("stage",), "seconds that a batch spent in a stage", _STAGE),
    Family(
        "streamapp_model_seconds",
        "histogram",
        ("variant",),
        "seconds that the model took for its rows of a batch",
        _STAGE,
    ),
    Family(
        "streamapp_end_to_end_seconds", "histogram", (), "from the record's timestamp to its score, seconds", _LATENCY
    ),
    Family("streamapp_last_batch_timestamp_seconds", "gauge", (), "when the latest batch was scored, Unix time"),
    Family("streamapp_event_time_seconds", "gauge", (), "latest event time seen, Unix time"),
    Family(
        "streamapp_feature_age_seconds",
        "histogram",
        ("variant", "feature_view"),
        "age of the features that rows were scored with, seconds",
        _AGE,
    ),
    Family(
        "streamapp_feature_rows_total",
        "counter",
        ("variant", "feature_view", "freshness"),
        "rows by how their features were served: fresh, stale_served, defaulted, unavailable_defaulted",
    ),
    Family(
        "feast_feature_freshness_seconds",
        "gauge",
        ("feature_view", "project"),
        "age of the youngest feature in the latest batch, seconds; under the name that Feast's own server uses",
    ),
    Family("streamapp_cache_hits_total", "counter", (), "rows, per feature view, served from the entity cache"),
    Family("streamapp_cache_misses_total", "counter", (), "rows, per feature view, read from the online store"),
    Family("streamapp_cache_evictions_total", "counter", (), "entities dropped from a full cache"),
    Family("streamapp_cache_entities", "gauge", ("feature_view",), "entities in the cache"),
    Family("streamapp_store_reads_total", "counter", (), "reads of the online store"),
    Family("streamapp_store_failures_total", "counter", (), "reads of the online store that failed"),
    Family("streamapp_consumer_lag_records", "gauge", ("topic", "partition"), "records behind the end of the log"),
    Family("streamapp_waiting_rows", "gauge", (), "rows waiting for a micro-batch or in flight"),
    Family("streamapp_oldest_batch_seconds", "gauge", (), "age of the oldest micro-batch in flight, seconds"),
    Family("streamapp_stuck_partitions", "gauge", (), "partitions without progress for half the time that is allowed"),
    Family("streamapp_pauses_total", "counter", (), "times that backpressure paused the partitions"),
    Family("streamapp_retries_total", "counter", (), "tries of a batch repeated because a dependency was down"),
    Family("streamapp_moved_logs_total", "counter", (), "partitions whose log was truncated behind or ahead of us"),
    Family(
        "streamapp_oversized_rows_total",
        "counter",
        (),
        "predictions larger than the broker accepts; they became dead letters",
    ),
    Family("streamapp_observe_dropped_batches_total", "counter", (), "batches that the observers had no time for"),
    Family("streamapp_observe_failed_batches_total", "counter", (), "batches that an observer failed on"),
    Family("streamapp_alerts_dropped_total", "counter", (), "signals that could not be published"),
    Family(
        "streamapp_control_revision", "gauge", (), "place in the control log up to which everything is in force here"
    ),
    Family(
        "streamapp_control_log_revision",
        "gauge",
        (),
        "place in the control log after the last command that took effect",
    ),
    Family("streamapp_control_leader", "gauge", (), "1 if this worker leads, else 0"),
    Family(
        "streamapp_control_commands_total",
        "counter",
        ("result",),
        "records of the control log since this worker joined: applied, refused",
    ),
    Family(
        "streamapp_control_load_failures_total",
        "counter",
        (),
        "versions that could not be fetched, verified, loaded or wired here",
    ),
    Family(
        "streamapp_rollout_phase",
        "gauge",
        ("model_name", "phase"),
        "1 for the phase of the latest rollout, 0 for the others: "
        "loading, progressing, waiting, paused, promoted, aborted",
    ),
    Family("streamapp_rollout_step", "gauge", ("model_name",), "the step that it is in, from 1; 0 while loading"),
    Family("streamapp_rollout_steps", "gauge", ("model_name",), "how many steps it has"),
    Family("streamapp_drift_signals_total", "counter", ("variant", "detector", "feature"), "signals within budget"),
    Family("streamapp_drift_suppressed_total", "counter", ("variant",), "signals beyond the alarm budget"),
    Family(
        "streamapp_drift_missing_values_total", "counter", ("variant", "feature"), "watched values that were missing"
    ),
    Family("streamapp_outcomes_joined_total", "counter", (), "outcomes that met their prediction"),
    Family("streamapp_outcomes_unmatched_total", "counter", (), "outcomes given up without a prediction"),
    Family("streamapp_outcomes_failed_total", "counter", (), "outcome records that could not be decoded"),
    Family("streamapp_predictions_expired_total", "counter", (), "predictions given up without an outcome"),
    Family("streamapp_join_evicted_total", "counter", (), "rows given up because max_pending was reached"),
    Family("streamapp_join_duplicates_total", "counter", (), "rows whose id was waiting already"),
    Family("streamapp_join_pending_rows", "gauge", ("side",), "rows that wait: predictions, outcomes"),
    Family("streamapp_quality_rows", "gauge", ("variant",), "joined rows that the quality below speaks of"),
    Family("streamapp_quality_base_rate", "gauge", ("variant",), "share of positive outcomes"),
    Family("streamapp_quality_auc", "gauge", ("variant",), "area under the ROC curve"),
    Family("streamapp_quality_log_loss", "gauge", ("variant",), "mean negative log likelihood, nats"),
    Family("streamapp_quality_brier", "gauge", ("variant",), "mean squared error of the probability"),
    Family("streamapp_quality_calibration_error", "gauge", ("variant",), "expected calibration error, 10 bins"),
    Family("streamapp_quality_mae", "gauge", ("variant",), "mean absolute error, in the label's unit"),
    Family("streamapp_quality_rmse", "gauge", ("variant",), "root mean squared error, in the label's unit"),
    Family("streamapp_quality_bias", "gauge", ("variant",), "mean of score - label, in the label's unit"),
)

FAMILIES = {family.name: family for family in CATALOGUE}


def sample_names() -> frozenset[str]:
    """Every name a query may use: a histogram gives `_bucket`, `_sum` and `_count`."""
    names: set[str] = set()
    for family in CATALOGUE:
        if family.kind == "histogram":
            names.update(family.name + ending for ending in ("_bucket", "_sum", "_count"))
        else:
            names.add(family.name)
    return frozenset(names)
