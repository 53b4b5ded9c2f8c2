"""Events from a file through a pipeline, chunk by chunk, to one JSON line each."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from itertools import islice
from typing import BinaryIO

import orjson

from streamapp.errors import ConfigError
from streamapp.pipeline import Pipeline

CHUNK_LINES = 8_192
"""Lines scored at once: bounds the memory whatever the file's length."""


@dataclass(frozen=True, slots=True)
class Counts:
    """How many events were answered and how many failed."""

    answered: int
    failed: int


def predict_lines(pipeline: Pipeline, lines: Iterable[bytes], out: BinaryIO) -> Counts:
    """Score JSON lines; blank ones are skipped.

    Writes, in the order of the events, the prediction as it would be published, or `{"failure": {...}}` with code,
    field, rule and value. Raises `ConfigError` for a source that is not JSON.
    """
    if pipeline.settings.source.format != "json":
        raise ConfigError(
            f"events in a file are JSON lines, but the source's format is {pipeline.settings.source.format}"
        )
    events = (line.strip() for line in lines if line.strip())
    answered = failed = 0
    while chunk := list(islice(events, CHUNK_LINES)):
        found = pipeline.predict(chunk)
        for i in range(len(chunk)):
            out.write(orjson.dumps(found.answers.get(i) or {"failure": asdict(found.failures[i])}) + b"\n")
        answered += len(found.answers)
        failed += len(found.failures)
    out.flush()
    return Counts(answered, failed)
