"""The Prometheus side: counts kept once per batch, and sources that are asked when someone scrapes."""

from collections.abc import Callable, Iterable, Mapping
from itertools import product
from threading import Lock

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from streamapp.config.settings import PipelineSettings
from streamapp.observe.families import CATALOGUE, FAMILIES, Family
from streamapp.observe.histogram import Histogram
from streamapp.observe.scored import ScoredTallies
from streamapp.observe.tallies import Labels, Readings, Tallies
from streamapp.types import ScoredBatch, Signal, Variant

CONTENT_TYPE = CONTENT_TYPE_LATEST


def new_registry() -> CollectorRegistry:
    """A registry of one's own; nothing here uses the global one."""
    return CollectorRegistry()


class Metrics(Collector):
    """All metrics of a worker, on the registry it is given; the worker's `StageTimer`.

    `batch`, `scored` and `signal` may be called from any thread, once per batch; a scrape may come at any time.
    What others count already is read at scrape time (`read_from`) and costs nothing in between.
    """

    def __init__(
        self,
        settings: PipelineSettings,
        variants: tuple[Variant, ...],
        registry: CollectorRegistry,
        feast_project: str | None = None,
    ) -> None:
        # The event loop counts on its own lock, so that it never waits for the observers.
        self._timed_lock, self._scored_lock = Lock(), Lock()
        self._timed = Tallies()
        self._timed.count("streamapp_events_total", (), 0)
        self._scored = ScoredTallies(settings, variants, feast_project or settings.name)
        if settings.batching.deadline_ms is not None:
            self._scored.count("streamapp_late_rows_total", (settings.batching.late_policy,), 0)
        self._sources: list[Callable[[], Readings]] = []
        self._registry = registry
        registry.register(self)

    def batch(self, rows: int, seconds_by_stage: Mapping[str, float]) -> None:
        """Count a batch that was acknowledged, and the time its stages took."""
        with self._timed_lock:
            self._timed.count("streamapp_events_total", (), rows)
            self._timed.histogram("streamapp_batch_rows", ()).add(rows)
            for stage, seconds in seconds_by_stage.items():
                self._timed.histogram("streamapp_stage_seconds", (stage,)).add(seconds)

    def scored(self, scored: ScoredBatch) -> None:
        """Count a scored batch."""
        with self._scored_lock:
            self._scored.add(scored)

    def signal(self, signal: Signal) -> None:
        """Count a signal."""
        with self._scored_lock:
            labels = (signal.variant.name, signal.detector, signal.feature)
            self._scored.count("streamapp_drift_signals_total", labels, 1)

    def expect(self, variant: str, detectors: Iterable[str], features: Iterable[str]) -> None:
        """Start the signal counters of these labels at 0, for Prometheus sees no increase in a first value."""
        with self._scored_lock:
            for labels in product((variant,), detectors, features):
                self._scored.count("streamapp_drift_signals_total", labels, 0)

    def read_from(self, source: Callable[[], Readings]) -> None:
        """Ask `source` at every scrape. It gives families of the catalogue only, safe to call from any thread."""
        self._sources.append(source)

    def render(self) -> bytes:
        """The registry in Prometheus' text format (`CONTENT_TYPE`)."""
        return generate_latest(self._registry)

    def describe(self) -> Iterable[Metric]:
        """The families without their samples, so that the registry can refuse a name given twice."""
        return [_family(family) for family in CATALOGUE]

    def collect(self) -> Iterable[Metric]:
        """The families that have samples now. Raises KeyError if a source names one that is not in the catalogue."""
        families = {family.name: _family(family) for family in CATALOGUE}
        for source in self._sources:
            for name, readings in source().items():
                _fill(families[name], FAMILIES[name], readings)
        for lock, tallies in ((self._timed_lock, self._timed), (self._scored_lock, self._scored)):
            with lock:
                for name, values in tallies.values.items():
                    _fill(families[name], FAMILIES[name], values)
                for name, histograms in tallies.histograms.items():
                    _fill_histograms(families[name], FAMILIES[name], histograms)
        return [family for family in families.values() if family.samples]


def _family(family: Family) -> Metric:
    kinds = {"counter": CounterMetricFamily, "gauge": GaugeMetricFamily, "histogram": HistogramMetricFamily}
    made: Metric = kinds[family.kind](family.name, family.meaning, labels=family.labels)
    return made


def _fill(metric: Metric, family: Family, values: Mapping[Labels, float]) -> None:
    for labels, value in values.items():
        metric.add_sample(family.name, dict(zip(family.labels, labels, strict=True)), value)


def _fill_histograms(metric: Metric, family: Family, histograms: Mapping[Labels, Histogram]) -> None:
    limits = [*(repr(bound) for bound in family.bounds), "+Inf"]
    for labels, histogram in histograms.items():
        named = dict(zip(family.labels, labels, strict=True))
        counts, total = histogram.cumulative()
        for limit, count in zip(limits, counts, strict=True):
            metric.add_sample(family.name + "_bucket", {**named, "le": limit}, count)
        metric.add_sample(family.name + "_count", named, counts[-1])
        metric.add_sample(family.name + "_sum", named, total)
