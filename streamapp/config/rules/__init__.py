"""What must hold between settings that are each fine on their own."""

from collections.abc import Iterator

from streamapp.config.rules import control, event, features, kafka, outcomes, topics, variants, worker
from streamapp.config.rules.broken import Broken
from streamapp.config.settings import PipelineSettings

__all__ = ["Broken", "broken_rules"]


def broken_rules(settings: PipelineSettings) -> Iterator[Broken]:
    """Every rule that these settings break."""
    yield from kafka.rules(settings)
    yield from event.rules(settings)
    yield from topics.rules(settings)
    yield from variants.rules(settings)
    yield from control.rules(settings)
    yield from features.rules(settings)
    yield from outcomes.rules(settings)
    yield from worker.rules(settings)
