"""What a plan needs of which topic."""

from dataclasses import dataclass

from streamapp.collect.source import Origin, Source, parse_source
from streamapp.config.experiment import ExperimentSettings
from streamapp.config.settings import PipelineSettings
from streamapp.control.companion import control_topics
from streamapp.decode.schema import CE_ID, CE_TIME
from streamapp.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Needs:
    """sources: metric -> where it comes from. covariates: metric -> `view:feature`. inside: whether the predictions
    repeat all that is needed of an event. units_are_ids: whether nothing is needed of events but their id."""

    sources: dict[str, Source]
    covariates: dict[str, str]
    inside: bool
    units_are_ids: bool

    @property
    def scores(self) -> tuple[str, ...]:
        """The scores that are compared, each once."""
        found = (source.name for source in self.sources.values() if source.origin is Origin.SCORE)
        return tuple(dict.fromkeys(found))

    @property
    def input_topics(self) -> bool:
        """Whether the input topics are read."""
        return not (self.inside or self.units_are_ids)

    def has(self, origin: Origin) -> bool:
        """Whether a metric comes from there."""
        return any(source.origin is origin for source in self.sources.values())


def needs_of(plan: ExperimentSettings, pipeline: PipelineSettings) -> Needs:
    """What the topics are read for. Raises `ConfigError` for a source that is none, as `rules` does before."""
    sources: dict[str, Source] = {}
    for name, metric in plan.metrics.items():
        source = parse_source(metric.source)
        if source is None:
            raise ConfigError(f"metrics.{name}.from: `{metric.source}` is no source")
        sources[name] = source
    covariates = {name: metric.covariate for name, metric in plan.metrics.items() if metric.covariate is not None}
    event = pipeline.event
    latency = any(source.origin is Origin.LATENCY for source in sources.values())
    # Without a time field the event time is the record's timestamp, which is in the prediction.
    record_time = latency and event.time is not None
    by_id = event.routing_key in (None, event.id) and not covariates and not record_time
    headers = CE_ID in (event.id, event.routing_key) or event.time == CE_TIME
    inside = pipeline.predictions.include_event and not headers and not record_time
    return Needs(sources, covariates, inside and not by_id, by_id)


def topics_of(needs: Needs, pipeline: PipelineSettings) -> dict[str, str]:
    """Topic -> what to do where it is missing."""
    found = {pipeline.predictions.topic: "check `predictions.topic`, and that a worker has run"}
    if needs.input_topics:
        found |= dict.fromkeys(pipeline.source.topics, "check `source.topics`")
    if needs.has(Origin.DEAD_LETTER):
        found[pipeline.dead_letters.topic] = "check `dead_letters.topic`"
    if needs.has(Origin.LABEL) and pipeline.outcomes is not None:
        found[pipeline.outcomes.topic] = "check `outcomes.topic`"
    if pipeline.control is not None:
        found[control_topics(pipeline).log] = "check `control.topic`; the first worker makes it"
    return found
