"""The encoder of a pipeline."""

from typing import Protocol

import numpy as np

from streamapp.config.settings import PipelineSettings, PredictionSettings
from streamapp.encode.answered import Answered, answered
from streamapp.encode.dead_letters import encode_dead_letters
from streamapp.encode.headers import prediction_headers
from streamapp.encode.json import JsonPredictions
from streamapp.protocols import Encoder
from streamapp.types import OutgoingBatch, ScoredBatch


class PredictionFormat(Protocol):
    """Writes the values of one variant's rows."""

    content_type: bytes

    def encode(self, scored: ScoredBatch, part: Answered) -> list[bytes]:
        """k values for k rows."""
        ...


class RecordEncoder:
    """An `Encoder`: predictions in one format, dead letters as they came."""

    def __init__(self, predictions: PredictionFormat, predictions_topic: str, dead_letters_topic: str) -> None:
        self._format = predictions
        self._predictions_topic = predictions_topic
        self._dead_letters_topic = dead_letters_topic

    def predictions(self, scored: ScoredBatch) -> OutgoingBatch:
        """One record per answered row, in row order, with the key and the partition number of its event."""
        parts = answered(scored)
        values: list[bytes | None] = [None] * len(scored)
        for part in parts:
            for row, value in zip(part.rows.tolist(), self._format.encode(scored, part), strict=True):
                values[row] = value
        rows = np.sort(np.concatenate([part.rows for part in parts])) if parts else np.empty(0, np.int64)
        picked = rows.tolist()
        records = scored.records
        return OutgoingBatch(
            self._predictions_topic,
            rows,
            records.partitions[rows],
            [records.keys[row] for row in picked],
            [values[row] for row in picked],
            prediction_headers([records.headers[row] for row in picked], self._format.content_type),
        )

    def dead_letters(self, scored: ScoredBatch) -> OutgoingBatch:
        """One record per failed row, in row order: original key, value and headers, plus the cause."""
        return encode_dead_letters(scored.records, scored.failures, scored.events.ids, self._dead_letters_topic)


def build_encoder(settings: PipelineSettings) -> Encoder:
    """The encoder of a pipeline's output topics."""
    return RecordEncoder(_format(settings.predictions), settings.predictions.topic, settings.dead_letters.topic)


def build_json_encoder(settings: PipelineSettings) -> Encoder:
    """The same with predictions as JSON, whatever the output topic's format."""
    written = JsonPredictions(settings.predictions.include_event)
    return RecordEncoder(written, settings.predictions.topic, settings.dead_letters.topic)


def _format(settings: PredictionSettings) -> PredictionFormat:
    if settings.format == "avro":
        from streamapp.encode.avro import AvroPredictions

        return AvroPredictions()
    return JsonPredictions(settings.include_event)
