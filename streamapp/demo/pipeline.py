"""The demo's `pipeline.yaml`, with this run's addresses and this data's vocabulary."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from string import Template

from streamapp.demo.columns import CHALLENGER, CHAMPION, WEATHER_MAX_AGE_S, Vocabulary


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where a run's parts find each other. topic: the events', and the prefix of all others and the group.
    partitions: of each topic."""

    bootstrap_servers: str
    topic: str
    metrics_port: int
    partitions: int = 4
    session_timeout_ms: int = 10_000
    fetch_max_wait_ms: int = 500

    @property
    def predictions(self) -> str:
        """Topic of the predictions."""
        return f"{self.topic}.predictions"

    @property
    def dead_letters(self) -> str:
        """Topic of the dead letters."""
        return f"{self.topic}.dead-letters"

    @property
    def outcomes(self) -> str:
        """Topic of the outcomes."""
        return f"{self.topic}.outcomes"

    @property
    def alerts(self) -> str:
        """Topic of the signals."""
        return f"{self.topic}.alerts"

    @property
    def topics(self) -> tuple[str, ...]:
        """All of them."""
        return (self.topic, self.predictions, self.dead_letters, self.outcomes, self.alerts)


def write_pipeline(path: Path, addresses: Addresses, vocabulary: Vocabulary) -> None:
    """Write the pipeline file; its models and its feature repository are expected beside it."""
    template = Template((files("streamapp.demo") / "pipeline.yaml").read_text(encoding="utf-8"))
    text = template.substitute(
        bootstrap_servers=addresses.bootstrap_servers,
        topic=addresses.topic,
        metrics_port=addresses.metrics_port,
        session_timeout_ms=addresses.session_timeout_ms,
        heartbeat_interval_ms=addresses.session_timeout_ms // 4,
        fetch_max_wait_ms=addresses.fetch_max_wait_ms,
        weather_max_age_s=WEATHER_MAX_AGE_S,
        carriers=json.dumps(vocabulary.allowed["carrier"]),
        origins=json.dumps(vocabulary.allowed["origin"]),
        destinations=json.dumps(vocabulary.allowed["dest"]),
        champion_columns=_columns(CHAMPION),
        challenger_columns=_columns(CHALLENGER),
    )
    path.write_text(text, encoding="utf-8")


def _columns(names: Iterable[str]) -> str:
    return ", ".join(json.dumps(name) if ":" in name else name for name in names)
