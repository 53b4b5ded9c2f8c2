"""What was published, read back: predictions (docs/wire.md), and which event a record answers."""

import io
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from streamapp.encode.dead_letters import event_place, split_cause
from streamapp.types import Headers, Place

Fields = TypeVar("Fields")

NO_PREDICTION = (msgspec.MsgspecError, ValueError, EOFError, KeyError, IndexError, TypeError)
"""What reading a value raises that is no prediction."""


class Source(msgspec.Struct, frozen=True):
    """Where a prediction's event is."""

    topic: str
    partition: int
    offset: int


class Prediction(msgspec.Struct, frozen=True):
    """The fields that are read of a prediction. event is empty where the prediction does not repeat it."""

    id: str
    scores: dict[str, float]
    variant: str
    model: str
    model_version: str
    event_time: int
    scored_at: int
    source: Source
    event: msgspec.Raw = msgspec.Raw()


class _Answer(msgspec.Struct, frozen=True):
    source: Source


def prediction_reader(format_: str) -> Callable[[bytes], Prediction]:
    """Reads values of that format, `json` or `avro`; it raises one of `NO_PREDICTION`."""
    return _avro_reader(Prediction) if format_ == "avro" else msgspec.json.Decoder(Prediction).decode


def answered_event(value: bytes | None, headers: Headers) -> Place | None:
    """Where the event is that a prediction or a dead letter answers; None where the record is neither.

    A prediction's format is the one that its headers name: the pipeline's may have changed since.
    """
    _, cause = split_cause(headers)
    if cause:
        return event_place(cause)
    if value is None:
        return None
    avro = ("content-type", b"application/avro") in headers
    try:
        source = (_avro_answer if avro else msgspec.json.Decoder(_Answer).decode)(value).source
    except NO_PREDICTION:
        return None
    return Place(source.topic, source.partition, source.offset)


def _avro_answer(value: bytes) -> _Answer:
    """Only the source: a time that Python's calendar lacks is passed over, not converted."""
    import fastavro

    from streamapp.encode.avro import parsed_schema

    schema: Any = parsed_schema()
    only = {
        "type": "record",
        "name": schema["name"],
        "fields": [field for field in schema["fields"] if field["name"] == "source"],
    }
    return msgspec.convert(fastavro.schemaless_reader(io.BytesIO(value), schema, fastavro.parse_schema(only)), _Answer)


def _avro_reader(kind: type[Fields]) -> Callable[[bytes], Fields]:
    import fastavro

    from streamapp.encode.avro import parsed_schema

    schema = parsed_schema()

    def read(value: bytes) -> Fields:
        found: Any = fastavro.schemaless_reader(io.BytesIO(value), schema, None)
        times_ms = {name: round(found[name].timestamp() * 1_000) for name in ("event_time", "scored_at")}
        return msgspec.convert({**found, **times_ms}, kind)

    return read
