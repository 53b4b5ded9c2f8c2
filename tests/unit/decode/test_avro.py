import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fastavro
import numpy as np
import pytest

from streamapp.config.settings import EventSettings, SourceSettings
from streamapp.decode import build_decoder
from streamapp.decode.avro_schema import load_avro_schema
from streamapp.decode.schema import compile_schema
from streamapp.errors import SchemaError
from streamapp.protocols import Decoder
from streamapp.types import RecordBatch

Records = Callable[..., RecordBatch]

SCHEMA: dict[str, Any] = {
    "type": "record",
    "name": "Flight",
    "namespace": "demo",
    "fields": [
        {"name": "ignored", "type": {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}},
        {"name": "id", "type": "string"},
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-micros"}},
        {"name": "delay", "type": ["null", "double"], "default": None},
        {"name": "seats", "type": ["long", "null"]},
        {"name": "carrier", "type": {"type": "enum", "name": "Carrier", "symbols": ["AA", "UA", "ZZ"]}},
        {"name": "v", "type": {"type": "array", "items": "float"}},
        {"name": "w", "type": ["null", {"type": "array", "items": "double"}], "default": None},
        {"name": "u", "type": [{"type": "array", "items": "float"}, "null"]},
        {"name": "raw", "type": "bytes"},
        {"name": "text", "type": "string"},
        {"name": "late", "type": "boolean"},
        {"name": "score", "type": "double"},
    ],
}
FIELDS: dict[str, Any] = {
    "id": {"dtype": "string"},
    "at": {"dtype": "timestamp"},
    "delay": {"dtype": "float32", "required": False, "le": 100},
    "seats": {"dtype": "int32"},
    "carrier": {"dtype": "category", "allowed": ["UA", "AA"]},
    "v": {"dtype": "float32[2]"},
    "w": {"dtype": "float32[2]", "required": False},
    "u": {"dtype": "float32[1]"},
    "raw": {"dtype": "float32[2]"},
    "text": {"dtype": "float32[2]"},
    "late": {"dtype": "bool"},
    "score": {"dtype": "float64"},
}
GOOD: dict[str, Any] = {
    "ignored": b"\x01",
    "id": "a",
    "at": 1_357_016_400_123_456,
    "delay": None,
    "seats": 5,
    "carrier": "AA",
    "v": [1.5, 2.5],
    "w": [3.25, -1.0],
    "u": [9.0],
    "raw": np.array([5, 6], "<f4").tobytes(),
    "text": "7,8",
    "late": True,
    "score": 0.5,
}


@pytest.fixture
def decoder(tmp_path: Path) -> Decoder:
    return build(tmp_path, SCHEMA, FIELDS)


def build(folder: Path, schema: dict[str, Any], fields: dict[str, Any]) -> Decoder:
    folder.joinpath("events.avsc").write_text(json.dumps(schema))
    event = EventSettings.model_validate({"id": "id", "time": "at" if "at" in fields else None, "fields": fields})
    return build_decoder(SourceSettings(topics=("e",), format="avro", schema_file=Path("events.avsc")), event, folder)


def written(**changes: Any) -> bytes:
    plain = json.loads(json.dumps(SCHEMA).replace('"logicalType"', '"was"'))
    stream = io.BytesIO()
    fastavro.schemaless_writer(stream, fastavro.parse_schema(plain), {**GOOD, **changes})
    return stream.getvalue()


def test_a_good_value_fills_typed_columns(records: Records, decoder: Decoder) -> None:
    batch = decoder.decode(records([written(), written(delay=12, w=None)]))
    assert not batch.failures
    columns = {name: column if isinstance(column, list) else column.tolist() for name, column in batch.columns.items()}
    assert np.isnan(columns["delay"][0])
    assert columns["delay"][1] == 12
    assert (columns["seats"], columns["carrier"], columns["late"]) == ([5, 5], [1, 1], [True, True])
    assert (columns["v"], columns["u"], columns["w"][0]) == ([[1.5, 2.5]] * 2, [[9.0]] * 2, [3.25, -1.0])
    assert np.isnan(columns["w"][1]).all()
    assert (columns["raw"], columns["text"]) == ([[5, 6]] * 2, [[7, 8]] * 2)
    assert columns["at"] == batch.event_times_ms.tolist() == [1_357_016_400_123] * 2


def test_confluent_framing_is_taken_off(records: Records, decoder: Decoder) -> None:
    batch = decoder.decode(records([b"\x00\x00\x00\x00\x07" + written(id="framed"), written(id="bare", ignored=b"")]))
    assert not batch.failures
    assert batch.ids == ["framed", "bare"]


def test_an_array_in_several_blocks_is_read(records: Records, tmp_path: Path) -> None:
    fields = [{"name": "id", "type": "string"}, {"name": "v", "type": {"type": "array", "items": "float"}}]
    decoder = build(
        tmp_path,
        {"type": "record", "name": "E", "fields": fields},
        {"id": {"dtype": "string"}, "v": {"dtype": "float32[2]"}},
    )
    one, two = np.array([1], "<f4").tobytes(), np.array([2], "<f4").tobytes()
    two_blocks = b"\x02a" + b"\x02" + one + b"\x02" + two + b"\x00"
    with_size = b"\x02b" + b"\x03\x10" + one + two + b"\x00"
    short, long = b"\x02c" + b"\x02" + one + b"\x00", b"\x02d" + b"\x06" + one * 3 + b"\x00"
    batch = decoder.decode(records([two_blocks, short, with_size, long]))
    assert {row: f.code for row, f in batch.failures.items()} == {1: "bad_vector", 3: "bad_vector"}
    assert np.asarray(batch.columns["v"])[[0, 2]].tolist() == [[1, 2], [1, 2]]
    assert batch.ids == ["a", "c", "b", "d"]


@pytest.mark.parametrize(
    "value",
    [
        # One element and a string "xx\0\2a"; read as two elements, the string would be "a".
        b"\x02x\x02\x00\x00\x80?\x00\x0axx\x00\x02a",
        # Two elements, a further block of one, and a string "a"; without a look at the end it would be "aaa\0\2a".
        b"\x02x\x04\x00\x00\x80?\x00\x00\x80?\x02\x0caaa\x00\x02a",
    ],
    ids=["short", "second block"],
)
def test_a_wrong_length_is_not_made_up_from_what_follows(value: bytes, records: Records, tmp_path: Path) -> None:
    array = {"type": "array", "items": "float"}
    fields = [{"name": "id", "type": "string"}, {"name": "v", "type": array}, {"name": "s", "type": "string"}]
    string = {"dtype": "string"}
    decoder = build(
        tmp_path,
        {"type": "record", "name": "E", "fields": fields},
        {"id": string, "v": {"dtype": "float32[2]"}, "s": string},
    )
    batch = decoder.decode(records([value]))
    assert batch.failures[0].code == "bad_vector"


def test_arrays_are_read_whole_wherever_null_stands_in_the_union(tmp_path: Path) -> None:
    tmp_path.joinpath("events.avsc").write_text(json.dumps(SCHEMA))
    schema = compile_schema(EventSettings.model_validate({"id": "id", "fields": FIELDS}))
    avro = load_avro_schema(tmp_path / "events.avsc", schema)
    read = fastavro.schemaless_reader(io.BytesIO(written()), avro.packed, None)
    assert [(read[name]["count"], len(read[name]["elements"]), read[name]["end"]) for name in "vwu"] == [
        (2, 8, 0),
        (2, 16, 0),
        (1, 4, 0),
    ]


@pytest.mark.parametrize(
    ("changes", "code", "field"),
    [
        ({"seats": 2**31}, "out_of_range", "seats"),
        ({"seats": None}, "missing", "seats"),
        ({"delay": 101.0}, "out_of_range", "delay"),
        ({"delay": float("nan")}, "not_finite", "delay"),
        ({"delay": float("-inf")}, "not_finite", "delay"),
        ({"score": float("nan")}, "not_finite", "score"),
        ({"carrier": "ZZ"}, "not_allowed", "carrier"),
        ({"at": 2**62}, "bad_time", "at"),
        ({"id": ""}, "empty", "id"),
        ({"v": [1.0]}, "bad_vector", "v"),
        ({"v": [1.0, 2.0, 3.0]}, "bad_vector", "v"),
        ({"v": [1.0, float("nan")]}, "bad_vector", "v"),
        ({"w": [1e300, 1.0]}, "bad_vector", "w"),
        ({"u": None}, "missing", "u"),
        ({"raw": b"\x00" * 9}, "bad_vector", "raw"),
        ({"text": "1"}, "bad_vector", "text"),
    ],
)
def test_a_bad_field_fails_its_row_alone(
    changes: dict[str, Any], code: str, field: str, records: Records, decoder: Decoder
) -> None:
    batch = decoder.decode(records([written(id="before"), written(**changes), written(id="after")]))
    assert {row: (f.code, f.field) for row, f in batch.failures.items()} == {1: (code, field)}
    assert batch.ids == ["before", "" if field == "id" else "a", "after"]
    assert np.asarray(batch.columns["v"])[[0, 2]].tolist() == [[1.5, 2.5]] * 2


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (None, "empty"),
        (b"", "empty"),
        (b"\x00", "not_avro"),
        (b'{"id":"a"}', "not_avro"),
        (b"\xff" * 1000, "not_avro"),
        (written()[:-1], "not_avro"),
        (written() + b"\x00", "not_avro"),
        (written() + written(), "not_avro"),
    ],
)
def test_what_is_no_value_of_the_schema_fails_alone(
    value: bytes | None, code: str, records: Records, decoder: Decoder
) -> None:
    batch = decoder.decode(records([written(), value, written()]))
    assert {row: f.code for row, f in batch.failures.items()} == {1: code}


@pytest.mark.parametrize(
    ("name", "avro", "dtype", "word"),
    [
        ("y", "string", "string", "no such field"),
        ("x", "string", "int32", "Avro string"),
        ("x", "double", "int64", "Avro double"),
        ("x", ["null", "int", "string"], "int32", "union"),
        ("x", {"type": "array", "items": "string"}, "float32[2]", "array of float"),
        ("x", {"type": "bytes", "logicalType": "decimal", "precision": 4}, "float32[2]", "Avro bytes"),
        ("x", {"type": "long", "logicalType": "timestamp-nanos"}, "timestamp", "timestamp-millis"),
        ("x", {"type": "map", "values": "double"}, "float64", "Avro map"),
    ],
)
def test_a_schema_that_cannot_be_honoured_is_refused(
    name: str, avro: Any, dtype: str, word: str, tmp_path: Path
) -> None:
    schema = {"type": "record", "name": "E", "fields": [{"name": "id", "type": "string"}, {"name": "x", "type": avro}]}
    with pytest.raises(SchemaError, match=word):
        build(tmp_path, schema, {"id": {"dtype": "string"}, name: {"dtype": dtype}})


@pytest.mark.parametrize(
    "text",
    [
        "{",
        '"string"',
        '{"type":"record","name":"E"}',
        '{"type":"record","name":"E","fields":[{"name":"x","type":"nope"}]}',
    ],
)
def test_a_file_that_is_no_record_schema_is_refused(text: str, tmp_path: Path) -> None:
    tmp_path.joinpath("events.avsc").write_text(text)
    event = EventSettings.model_validate({"id": "id", "fields": {"id": {"dtype": "string"}}})
    source = SourceSettings(topics=("e",), format="avro", schema_file=Path("events.avsc"))
    with pytest.raises(SchemaError, match=r"source\.schema_file"):
        build_decoder(source, event, tmp_path)
    with pytest.raises(SchemaError, match=r"source\.schema_file"):
        build_decoder(source, event, tmp_path / "elsewhere")


def test_avro_needs_a_schema_and_json_takes_none(tmp_path: Path) -> None:
    event = EventSettings.model_validate({"id": "id", "fields": {"id": {"dtype": "string"}}})
    for source in (SourceSettings(topics=("e",), format="avro"), SourceSettings(topics=("e",), schema_file=Path("x"))):
        with pytest.raises(SchemaError, match=r"source\.schema_file"):
            build_decoder(source, event, tmp_path)


def test_a_named_type_can_be_used_twice(records: Records, tmp_path: Path) -> None:
    carrier = {"type": "enum", "name": "Carrier", "symbols": ["AA", "UA"]}
    fields = [
        {"name": "id", "type": "string"},
        {"name": "a", "type": carrier},
        {"name": "b", "type": ["null", "Carrier"]},
    ]
    category = {"dtype": "category", "allowed": ["UA", "AA"], "required": False}
    schema = {"type": "record", "name": "E", "namespace": "n", "fields": fields}
    decoder = build(tmp_path, schema, {"id": {"dtype": "string"}, "a": category, "b": category})
    batch = decoder.decode(records([b"\x02x\x00\x02\x02", b"\x02y\x02\x00"]))
    assert not batch.failures
    assert [list(batch.columns[name]) for name in "ab"] == [[1, 0], [0, -1]]
