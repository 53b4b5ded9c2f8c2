"""Predictions as Avro, schemaless binary encoding of `prediction.avsc`."""

import io
import json
import math
from importlib.resources import files
from typing import Any

import fastavro

from streamapp.encode.answered import Answered
from streamapp.encode.json import FRESHNESS
from streamapp.types import ScoredBatch

CONTENT_TYPE = b"application/avro"
SCHEMA_FILE = "prediction.avsc"


def parsed_schema() -> Any:
    """The schema of a prediction, as fastavro takes it."""
    return fastavro.parse_schema(json.loads(files(__package__).joinpath(SCHEMA_FILE).read_text(encoding="utf-8")))


class AvroPredictions:
    """Writes one Avro value per answered row, with the fields of the JSON prediction."""

    content_type = CONTENT_TYPE

    def __init__(self) -> None:
        self._schema = parsed_schema()

    def encode(self, scored: ScoredBatch, part: Answered) -> list[bytes]:
        """The k values of one variant's rows."""
        return [self._bytes(record) for record in _records(scored, part)]

    def _bytes(self, record: dict[str, Any]) -> bytes:
        stream = io.BytesIO()
        fastavro.schemaless_writer(stream, self._schema, record)
        return stream.getvalue()


def _records(scored: ScoredBatch, part: Answered) -> list[dict[str, Any]]:
    times_ms = scored.events.event_times_ms[part.rows].tolist()
    scores = part.scores.tolist()
    ages_s = part.ages_s.tolist()
    freshness = part.freshness.tolist()
    records = scored.records
    shared = {
        "variant": part.variant.name,
        "model": part.variant.model_name,
        "model_version": part.variant.model_version,
        "scored_at": scored.scored_at_ms,
    }
    return [
        {
            **shared,
            "id": scored.events.ids[row],
            "scores": dict(zip(part.names, scores[k], strict=True)),
            "event_time": times_ms[k],
            "features": {
                view: {"age_s": None if math.isnan(age) else age, "freshness": FRESHNESS[state]}
                for view, age, state in zip(part.views, ages_s[k], freshness[k], strict=True)
            },
            "source": {
                "topic": records.topics[row],
                "partition": int(records.partitions[row]),
                "offset": int(records.offsets[row]),
            },
            "fallback": part.fallback or None,
        }
        for k, row in enumerate(part.rows.tolist())
    ]
