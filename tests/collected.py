"""A pipeline's topics in memory, and what an experiment collects of them."""

import asyncio
import json
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from streamapp.buckets import buckets_of
from streamapp.collect.covariates import History
from streamapp.collect.dealing import Arms, arms_of, dealing_of, dealt_by_file
from streamapp.collect.gather import Span, gather
from streamapp.collect.needs import needs_of
from streamapp.collect.tell import Collected, tell
from streamapp.config.experiment import ExperimentSettings
from streamapp.config.settings import PipelineSettings
from streamapp.decode import build_decoder
from streamapp.experiment.read import read
from streamapp.experiment.report import Report, report
from streamapp.types import RecordBatch

CHUNK = 7
SPAN = Span(0, 10**12)
BEGAN_MS = 1_000_000


def variant(version: str, weight: float) -> dict[str, Any]:
    return {
        "model": {"name": "scorer", "version": version, "path": "m.onnx"},
        "weight": weight,
        "inputs": {"x": ["amount"]},
        "outputs": {"p": {"tensor": "y"}},
    }


PIPELINE = {
    "name": "pay",
    "source": {"topics": ["events"]},
    "event": {
        "id": "id",
        "routing_key": "user",
        "fields": {name: {"dtype": "string"} for name in ("id", "user")} | {"amount": {"dtype": "float32"}},
    },
    "variants": {"old": variant("1", 1), "new": variant("2", 1)},
    "predictions": {"topic": "predictions"},
    "dead_letters": {"topic": "dead"},
    "outcomes": {"topic": "labels", "id": "id", "label": "y", "time": "at", "score": "p", "join_window_s": 3600},
}
PLAN = {
    "experiment": "x",
    "control": "old",
    "variants": ["old", "new"],
    "metrics": {"clicked": {"from": "label", "kind": "proportion"}},
    "window_s": 60,
}


@dataclass(frozen=True, slots=True)
class Record:
    partition: int
    offset: int
    at_ms: int
    value: bytes
    headers: tuple[tuple[str, bytes], ...] = ()


@dataclass
class Field:
    """topics: name -> records, in the order in which they are read. pipeline, plan: sections laid over the usual."""

    topics: dict[str, list[Record]] = field(
        default_factory=lambda: {n: [] for n in ("events", "predictions", "labels")}
    )
    pipeline: dict[str, Any] = field(default_factory=dict)
    plan: dict[str, Any] = field(default_factory=dict)

    @property
    def settings(self) -> PipelineSettings:
        return PipelineSettings.model_validate({**PIPELINE, **self.pipeline})

    @property
    def wanted(self) -> ExperimentSettings:
        return ExperimentSettings.model_validate({**PLAN, **self.plan})

    def event(self, number: int, user: str, at_ms: int) -> None:
        """Event `e<number>`, at offset `number`."""
        value = json.dumps({"id": f"e{number}", "user": user, "amount": 1.0}).encode()
        self.topics["events"].append(Record(0, number, at_ms, value))

    def answer(self, number: int, at_ms: int, by: tuple[str, str] = ("old", "1"), **more: Any) -> None:
        """The prediction for event `number`."""
        name, version = by
        said = {
            "id": f"e{number}",
            "scores": {"p": 0.25},
            "variant": name,
            "model": "scorer" if version else "",
            "model_version": version,
            "event_time": at_ms - 5,
            "scored_at": at_ms,
            "source": {"topic": "events", "partition": 0, "offset": number},
            **more,
        }
        self.add("predictions", json.dumps(said).encode(), at_ms)

    def label(self, number: int, at_ms: int, value: object = 1, known_ms: int | None = None) -> None:
        said = {"id": f"e{number}", "y": value, "at": at_ms}
        self.add("labels", json.dumps(said).encode(), at_ms if known_ms is None else known_ms)

    def add(self, topic: str, value: bytes, at_ms: int, headers: Sequence[tuple[str, bytes]] = ()) -> None:
        records = self.topics.setdefault(topic, [])
        records.append(Record(0, len(records), at_ms, value, tuple(headers)))

    def shown(self, number: int, user: str, at_ms: int) -> str:
        """An event and its answer, by the variant that the user's key is dealt to."""
        by = self.dealt(user)
        self.event(number, user, at_ms - 5)
        self.answer(number, at_ms, by)
        return by[0]

    def dealt(self, user: str) -> tuple[str, str]:
        """Variant and version that the file deals a user to."""
        settings = self.settings
        arms = Arms(tuple(settings.variants), False, "scorer")
        (period,) = dealing_of(arms, [dealt_by_file(settings)]).periods
        name = arms.names[int(period.owners[buckets_of([user], settings.name)[0]])]
        return name, settings.variants[name].model.version

    def users(self, of: str, count: int) -> list[str]:
        """So many users of a variant."""
        every = (f"u{i}" for i in range(10_000))
        return [user for user, _ in zip((u for u in every if self.dealt(u)[0] == of), range(count), strict=False)]

    def read(self, topic: str, partitions: Collection[int] | None = None) -> AsyncIterator[RecordBatch]:
        records = [r for r in self.topics[topic] if partitions is None or r.partition in partitions]
        return _chunks(topic, records)

    def collected(self, span: Span = SPAN, history: History | None = None) -> Collected:
        settings, plan = self.settings, self.wanted
        needs = needs_of(plan, settings)
        decoder = build_decoder(settings.source, settings.event, Path())
        arms = arms_of(plan, settings)
        found = asyncio.run(gather(settings, self, decoder, arms, needs, span, history))
        return tell(settings, plan, needs, span, found, history)

    def lines(self, span: Span = SPAN, history: History | None = None) -> list[Mapping[str, Any]]:
        """The objects of the file without its header."""
        return [json.loads(line) for line in self.collected(span, history).lines][1:]

    def report(self, span: Span = SPAN, history: History | None = None) -> Report:
        """What the report makes of the file."""
        return report(*read(list(self.collected(span, history).lines), "f"))


async def _chunks(topic: str, records: Sequence[Record]) -> AsyncIterator[RecordBatch]:
    for start in range(0, len(records), CHUNK):
        part = records[start : start + CHUNK]
        n = len(part)
        yield RecordBatch(
            [topic] * n,
            np.fromiter((r.partition for r in part), np.int32, n),
            np.fromiter((r.offset for r in part), np.int64, n),
            np.fromiter((r.at_ms for r in part), np.int64, n),
            [None] * n,
            [r.value for r in part],
            [r.headers for r in part],
        )
