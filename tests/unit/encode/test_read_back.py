import io
from collections.abc import Callable

import fastavro
import pytest

from streamapp.encode.avro import parsed_schema
from streamapp.encode.read_back import answered_event
from streamapp.protocols import Encoder
from streamapp.types import Place, ScoredBatch

Scored = Callable[..., ScoredBatch]
Build = Callable[..., Encoder]


@pytest.mark.parametrize("format_", ["json", "avro"])
def test_every_answer_says_which_event_it_answers(scored: Scored, encoder: Build, format_: str) -> None:
    batch = scored()
    records = batch.records
    places = [
        Place(topic, int(partition), int(offset))
        for topic, partition, offset in zip(records.topics, records.partitions, records.offsets, strict=True)
    ]
    for out in (encoder(format_).predictions(batch), encoder(format_).dead_letters(batch)):
        found = [answered_event(value, headers) for value, headers in zip(out.values, out.headers, strict=True)]
        assert found == [places[row] for row in out.rows]
        assert found


def test_a_dead_letter_of_a_dead_letter_answers_the_last_one(scored: Scored, encoder: Build) -> None:
    of_another_queue = [("__connect.errors.topic", b"else"), ("__connect.errors.partition", b"9")]
    out = encoder().dead_letters(scored([(), (), of_another_queue, (), (), ()]))
    assert answered_event(out.values[0], out.headers[0]) == Place("flights", 1, 5)


@pytest.mark.parametrize(
    ("value", "headers"),
    [
        (None, []),
        (b"{}", []),
        (b"\x00", [("content-type", b"application/avro")]),
        (b"", [("__connect.errors.topic", b"t"), ("__connect.errors.partition", b"x")]),
    ],
)
def test_what_is_no_answer_answers_nothing(value: bytes | None, headers: list[tuple[str, bytes]]) -> None:
    assert answered_event(value, headers) is None


def test_an_avro_prediction_with_a_time_beyond_the_calendar_says_which_event_it_answers(
    scored: Scored, encoder: Build
) -> None:
    out = encoder("avro").predictions(scored())
    found = fastavro.schemaless_reader(io.BytesIO(out.values[0]), parsed_schema(), None)
    value = io.BytesIO()
    fastavro.schemaless_writer(value, parsed_schema(), {**found, "event_time": 999_999_999_999_999})
    assert answered_event(value.getvalue(), out.headers[0]) == answered_event(out.values[0], out.headers[0])
