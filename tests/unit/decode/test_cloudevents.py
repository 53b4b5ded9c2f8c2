import json
from collections.abc import Callable

import pytest

from streamapp.protocols import Decoder
from streamapp.types import Headers, RecordBatch

Records = Callable[..., RecordBatch]
Build = Callable[..., Decoder]

STRUCTURED: Headers = [("content-type", b"application/cloudevents+json; charset=UTF-8")]
FIELDS = {"x": {"dtype": "int32"}}


@pytest.fixture
def by_header(json_decoder: Build) -> Decoder:
    return json_decoder({"id": {"dtype": "string", "required": False}, **FIELDS}, id="ce_id", time="ce_time")


def test_binary_mode_takes_id_and_time_from_headers(records: Records, by_header: Decoder) -> None:
    headers: list[Headers] = [
        [("content-type", b"application/json"), ("ce_id", b"e-1"), ("ce_time", b"2013-01-01T05:00:00+01:00")],
        [("ce_id", "é".encode())],
    ]
    batch = by_header.decode(records([b'{"x":1}', b'{"x":2}'], headers))
    assert not batch.failures
    assert batch.ids == batch.routing_keys == ["e-1", "é"]
    assert batch.event_times_ms.tolist() == [1_357_012_800_000, 1_700_000_000_000]


def test_binary_mode_without_a_usable_header_fails_alone(records: Records, by_header: Decoder) -> None:
    headers: list[Headers] = [
        [("ce_id", b"good")],
        (),
        [("ce_id", b"")],
        [("ce_id", b"t"), ("ce_time", b"yesterday")],
        [("ce_id", b"known")],
    ]
    values = [b'{"x":1}'] * 4 + [b'{"x":"bad"}']
    batch = by_header.decode(records(values, headers))
    assert {row: (f.code, f.field) for row, f in batch.failures.items()} == {
        1: ("missing", "ce_id"),
        2: ("empty", "ce_id"),
        3: ("bad_time", "ce_time"),
        4: ("wrong_type", "x"),
    }
    assert (batch.ids[0], batch.ids[4]) == ("good", "known")


def test_records_without_any_header_all_lack_their_id(records: Records, by_header: Decoder) -> None:
    assert by_header.decode(records([b'{"x":1}'])).failures[0].code == "missing"


def test_structured_mode_unwraps_the_data(records: Records, by_header: Decoder, json_decoder: Build) -> None:
    envelope = {"specversion": "1.0", "id": "e-1", "source": "s", "type": "t", "time": "2013-01-01T05:00:00Z"}
    value = json.dumps({**envelope, "data": {"id": "own", "x": 5}}).encode()
    batch = by_header.decode(records([value, b'{"x":6}'], [STRUCTURED, [("ce_id", b"e-2")]]))
    assert not batch.failures
    assert batch.ids == ["e-1", "e-2"]
    assert list(batch.columns["x"]) == [5, 6]
    assert batch.event_times_ms.tolist() == [1_357_016_400_000, 1_700_000_000_000]
    assert json_decoder(FIELDS).decode(records([value], [STRUCTURED])).ids == ["own"]


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (b"{", "not_json"),
        (b"[" * 100_000, "wrong_type"),
        (None, "not_json"),
        (b'{"data":{"x":1}}', "wrong_type"),
        (b'{"id":"","data":{"x":1}}', "empty"),
        (b'{"id":"e"}', "empty"),
        (b'{"id":"e","data":{"x":"1"}}', "wrong_type"),
    ],
)
def test_a_broken_envelope_fails_alone(value: bytes | None, code: str, records: Records, by_header: Decoder) -> None:
    batch = by_header.decode(records([value, b'{"x":6}'], [STRUCTURED, [("ce_id", b"e-2")]]))
    assert {row: failure.code for row, failure in batch.failures.items()} == {0: code}
    assert batch.ids[1] == "e-2"
