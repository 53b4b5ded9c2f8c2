"""One worker process: the pipeline, what observes it, the metrics endpoint and the Kafka worker, put together."""

from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path

from streamapp.config.settings import PipelineSettings
from streamapp.control.companion import ControlCompanion, artefacts_of
from streamapp.control.readings import control_readings
from streamapp.decode import build_outcome_decoder
from streamapp.kafka.run import Companion, run_worker
from streamapp.kafka.stats import WorkerStats
from streamapp.kafka.watch import Health, Watch
from streamapp.kafka.worker import Worker
from streamapp.observe.endpoint import Endpoint, Page
from streamapp.observe.gather import EvidenceGatherer
from streamapp.observe.metrics import CONTENT_TYPE, Metrics, new_registry
from streamapp.observe.observation import Observation
from streamapp.observe.probes import Condition, probe_pages
from streamapp.observe.sources import feature_readings, serving_readings
from streamapp.observe.tallies import Readings
from streamapp.pipeline import Pipeline, variants_of
from streamapp.sidepath import SidePath

LOOP_ANSWERS_WITHIN_S = 15.0
"""An event loop that has not answered for this long is not live."""


def serve(settings: PipelineSettings, base: Path) -> int:
    """Run one worker of the pipeline until it is told to stop; the process's exit code.

    Relative paths in `settings` start at `base`. Raises what makes a start impossible: `ConfigError`,
    `SchemaError`, `ModelLoadError`, `ContractError`.
    """
    metrics = Metrics(settings, variants_of(settings), new_registry())
    probes = _Probes()
    # Before the models are loaded, so that whoever probes meanwhile is told.
    endpoint = _endpoint(settings, metrics, probes)
    try:
        with artefacts_of(settings, base) as artefacts, Pipeline.build(settings, base, artefacts) as pipeline:
            return _work(settings, base, pipeline, metrics, probes)
    finally:
        if endpoint is not None:
            endpoint.close()


class _Probes:
    """What the probes are answered with: models are loaded first, then a watched worker says how it is."""

    def __init__(self) -> None:
        self._watch: Watch | None = None

    def ask(self, watch: Watch) -> None:
        """From now on the worker is asked."""
        self._watch = watch

    def condition(self) -> Condition:
        """Now. Any thread."""
        return Condition(True, "warming") if self._watch is None else condition_of(self._watch.health())

    def readings(self) -> Readings:
        """A source for `Metrics.read_from`."""
        stuck = () if self._watch is None else self._watch.health().stuck
        return {"streamapp_stuck_partitions": {(): len({stall.work.partition for stall in stuck})}}


def _work(settings: PipelineSettings, base: Path, pipeline: Pipeline, metrics: Metrics, probes: _Probes) -> int:
    metrics.read_from(serving_readings(lambda: pipeline.serving))
    metrics.read_from(feature_readings(lambda: pipeline.enricher.counts))
    metrics.read_from(probes.readings)
    gatherer = EvidenceGatherer(settings) if settings.control is not None else None
    joined = None if gatherer is None else gatherer.joined
    observation = Observation(settings, pipeline.serving.variants, metrics, joined)
    outcomes = settings.outcomes
    side = SidePath(
        observation,
        build_outcome_decoder(outcomes) if outcomes else None,
        settings.alerts.topic if settings.alerts else None,
    )

    def start(worker: Worker, watch: Watch) -> None:
        metrics.read_from(worker_readings(worker.stats))
        probes.ask(watch)

    def beside(worker: Worker) -> Companion | None:
        if settings.control is None or gatherer is None or pipeline.builder is None:
            return None
        companion = ControlCompanion(settings, settings.control, base, pipeline, pipeline.builder, gatherer, worker)
        metrics.read_from(control_readings(companion.duty))
        return companion

    return run_worker(
        settings,
        pipeline,
        observers=[side] if gatherer is None else [side, gatherer],
        outcomes=side if outcomes else None,
        outbox=side,
        timer=metrics,
        on_start=start,
        beside=beside,
    )


def condition_of(health: Health) -> Condition:
    """What the probes say of a worker in this health."""
    silent = health.silent_s > LOOP_ANSWERS_WITHIN_S and health.phase != "draining"
    reason = "" if health.phase == "working" else health.phase
    if health.waiting:
        reason = reason or "waiting"
    if silent or health.stuck:
        reason = "stuck"
    stuck: list[dict[str, str | int | float]] = [
        {
            "step": stall.work.step,
            "topic": stall.work.partition.topic if stall.work.partition else "",
            "partition": stall.work.partition.number if stall.work.partition else -1,
            "at": stall.at,
            "seconds": round(stall.age_s, 1),
        }
        for stall in health.stuck
    ]
    return Condition(not silent and not health.over, reason, health.partitions, stuck)


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


def _endpoint(settings: PipelineSettings, metrics: Metrics, probes: _Probes) -> Endpoint | None:
    if not settings.metrics.enabled:
        return None
    pages: dict[str, Page] = {"/metrics": lambda: (HTTPStatus.OK, CONTENT_TYPE, metrics.render())}
    pages |= probe_pages(probes.condition)
    return Endpoint(settings.metrics.host, settings.metrics.port, pages)
