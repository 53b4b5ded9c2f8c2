"""Topics: legal names, each with one role."""

import re
from collections.abc import Iterator

from streamapp.config.problems import Path, dotted
from streamapp.config.rules.broken import Broken
from streamapp.config.settings import PipelineSettings

_LEGAL = re.compile(r"^(?!\.{1,2}$)[A-Za-z0-9._-]{1,249}$")


def rules(settings: PipelineSettings) -> Iterator[Broken]:
    """Kafka's naming rule, and no topic with two roles: an output that is also an input feeds itself."""
    taken: dict[str, Path] = {}
    for path, topic in _roles(settings):
        if not _LEGAL.match(topic):
            yield Broken(
                path, f"`{topic}` is not a legal topic name", "use letters, digits, `.`, `_` and `-` (1 to 249)"
            )
        elif topic in taken:
            yield Broken(path, f"`{topic}` is already used by {dotted(taken[topic])}", "give each role its own topic")
        taken.setdefault(topic, path)


def _roles(settings: PipelineSettings) -> Iterator[tuple[Path, str]]:
    for i, topic in enumerate(settings.source.topics):
        yield ("source", "topics", i), topic
    yield ("predictions", "topic"), settings.predictions.topic
    yield ("dead_letters", "topic"), settings.dead_letters.topic
    if settings.outcomes is not None:
        yield ("outcomes", "topic"), settings.outcomes.topic
    if settings.alerts is not None:
        yield ("alerts", "topic"), settings.alerts.topic
    if settings.control is not None:
        prefix = settings.control.topic or settings.name
        at = ("control",) if settings.control.topic is None else ("control", "topic")
        yield from ((at, f"{prefix}.control.{role}") for role in ("log", "state"))
