"""One worker process: the pipeline, what observes it, the metrics endpoint and the Kafka worker, put together."""

from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path

from streamapp.config.settings import PipelineSettings
from streamapp.decode import build_outcome_decoder
from streamapp.kafka.run import run_worker
from streamapp.kafka.stats import WorkerStats
from streamapp.kafka.worker import Worker
from streamapp.observe.endpoint import Endpoint
from streamapp.observe.metrics import CONTENT_TYPE, Metrics, new_registry
from streamapp.observe.observation import Observation
from streamapp.observe.sources import feature_readings
from streamapp.observe.tallies import Readings
from streamapp.pipeline import Pipeline
from streamapp.sidepath import SidePath


def serve(settings: PipelineSettings, base: Path) -> int:
    """Run one worker of the pipeline until it is told to stop; the process's exit code.

    Relative paths in `settings` start at `base`. Raises what makes a start impossible: `ConfigError`,
    `SchemaError`, `ModelLoadError`, `ContractError`.
    """
    with Pipeline.build(settings, base) as pipeline:
        metrics = Metrics(settings, pipeline.variants, new_registry())
        metrics.read_from(feature_readings(lambda: pipeline.enricher.counts))
        observation = Observation(settings, pipeline.variants, metrics)
        outcomes = settings.outcomes
        side = SidePath(
            observation,
            build_outcome_decoder(outcomes) if outcomes else None,
            settings.alerts.topic if settings.alerts else None,
        )

        def start(worker: Worker) -> None:
            metrics.read_from(worker_readings(worker.stats))

        endpoint = _endpoint(settings, metrics)
        try:
            return run_worker(
                settings,
                pipeline,
                observers=[side],
                outcomes=side if outcomes else None,
                outbox=side,
                timer=metrics,
                on_start=start,
            )
        finally:
            if endpoint is not None:
                endpoint.close()


def worker_readings(stats: Callable[[], WorkerStats]) -> Callable[[], Readings]:
    """A source for `Metrics.read_from` over the counts of a worker."""

    def read() -> Readings:
        now = stats()
        return {
            "streamapp_consumer_lag_records": {(topic, str(number)): lag for (topic, number), lag in now.lag.items()},
            "streamapp_waiting_rows": {(): now.rows_waiting + now.rows_in_flight},
            "streamapp_retries_total": {(): now.retries},
            "streamapp_pauses_total": {(): now.pauses},
            "streamapp_oldest_batch_seconds": {(): now.oldest_in_flight_s},
            "streamapp_moved_logs_total": {(): now.moved_logs},
            "streamapp_oversized_rows_total": {(): now.oversized_rows},
            "streamapp_observe_dropped_batches_total": {(): now.dropped_observations},
            "streamapp_observe_failed_batches_total": {(): now.failed_observations},
            "streamapp_alerts_dropped_total": {(): now.dropped_signals},
        }

    return read


def _endpoint(settings: PipelineSettings, metrics: Metrics) -> Endpoint | None:
    if not settings.metrics.enabled:
        return None
    pages = {"/metrics": lambda: (HTTPStatus.OK, CONTENT_TYPE, metrics.render())}
    return Endpoint(settings.metrics.host, settings.metrics.port, pages)
