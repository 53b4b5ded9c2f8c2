import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from streamapp.protocols import Decoder
from streamapp.types import RecordBatch

Records = Callable[..., RecordBatch]
Build = Callable[..., Decoder]

FIELDS: dict[str, Any] = {
    "flag": {"dtype": "bool"},
    "small": {"dtype": "int32", "ge": -5},
    "big": {"dtype": "int64"},
    "single": {"dtype": "float32", "le": 1e6},
    "double": {"dtype": "float64", "gt": 0},
    "word": {"dtype": "string", "min_length": 2, "max_length": 4},
    "carrier": {"dtype": "category", "allowed": ["AA", "UA"]},
    "at": {"dtype": "timestamp"},
}
GOOD: dict[str, Any] = {
    "id": "a",
    "flag": True,
    "small": -5,
    "big": 2**53 + 1,
    "single": 5,
    "double": 0.5,
    "word": "héé",
    "carrier": "UA",
    "at": 1_357_034_400_000,
}


def written(**changes: Any) -> bytes:
    return json.dumps({**GOOD, **changes}).encode()


def test_a_good_event_fills_typed_columns(records: Records, json_decoder: Build) -> None:
    batch = json_decoder(FIELDS, time="at", routing_key="carrier").decode(records([written(ignored=[1, {"a": 2}])] * 2))
    assert not batch.failures
    assert {
        name: np.asarray(column).dtype.name for name, column in batch.columns.items() if name not in ("id", "word")
    } == {
        "flag": "bool",
        "small": "int32",
        "big": "int64",
        "single": "float32",
        "double": "float64",
        "carrier": "int32",
        "at": "int64",
    }
    first = {name: column[0] for name, column in batch.columns.items()}
    assert first == {**GOOD, "carrier": 1}
    assert (batch.ids, batch.routing_keys) == (["a", "a"], ["UA", "UA"])
    assert batch.event_times_ms.tolist() == [GOOD["at"]] * 2


@pytest.mark.parametrize(
    ("changes", "code", "field", "rule"),
    [
        ({"flag": 1}, "wrong_type", "flag", "dtype bool"),
        ({"flag": "true"}, "wrong_type", "flag", "dtype bool"),
        ({"small": "5"}, "wrong_type", "small", "dtype int32"),
        ({"small": True}, "wrong_type", "small", "dtype int32"),
        ({"small": 5.0}, "wrong_type", "small", "dtype int32"),
        ({"small": [5]}, "wrong_type", "small", "dtype int32"),
        ({"small": 2**31}, "out_of_range", "small", "dtype int32"),
        ({"small": -6}, "out_of_range", "small", "ge=-5"),
        ({"big": 2**63}, "out_of_range", "big", "dtype int64"),
        ({"big": -(2**63) - 1}, "out_of_range", "big", "dtype int64"),
        ({"big": 10**40}, "out_of_range", "big", "dtype int64"),
        ({"single": -3.5e38}, "out_of_range", "single", "dtype float32"),
        ({"single": 1e7}, "out_of_range", "single", "le=1e+06"),
        ({"double": 0}, "out_of_range", "double", "gt=0"),
        ({"double": "0.5"}, "wrong_type", "double", "dtype float64"),
        ({"double": None}, "missing", "double", "required"),
        ({"word": "x"}, "too_short", "word", "min_length=2"),
        ({"word": "xxxxx"}, "too_long", "word", "max_length=4"),
        ({"word": 12}, "wrong_type", "word", "dtype string"),
        ({"carrier": "ZZ"}, "not_allowed", "carrier", "allowed"),
        ({"carrier": 1}, "not_allowed", "carrier", "allowed"),
        ({"carrier": True}, "wrong_type", "carrier", "dtype category"),
        ({"at": "2013-02-30T00:00:00Z"}, "bad_time", "at", "ISO 8601"),
        ({"at": 10**15}, "bad_time", "at", "time_unit ms"),
        ({"at": False}, "wrong_type", "at", "dtype timestamp"),
        ({"id": ""}, "empty", "id", "id"),
        ({"id": 5}, "wrong_type", "id", "dtype string"),
    ],
)
def test_a_bad_field_fails_its_row_alone(
    changes: dict[str, Any], code: str, field: str, rule: str, records: Records, json_decoder: Build
) -> None:
    batch = json_decoder(FIELDS).decode(records([written(id="before"), written(**changes), written(id="after")]))
    assert list(batch.failures) == [1]
    failure = batch.failures[1]
    assert (failure.stage, failure.code, failure.field, failure.rule) == ("decode", code, field, rule)
    assert batch.ids[::2] == ["before", "after"]
    assert len(failure.value) <= 80
    assert np.asarray(batch.columns["big"])[[0, 2]].tolist() == [GOOD["big"]] * 2


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (None, "empty"),
        (b"", "empty"),
        (b" ", "not_json"),
        (b"null", "not_an_object"),
        (b"[1]", "not_an_object"),
        (b"5", "not_an_object"),
        (b"{}", "missing"),
        (b'{"id"', "not_json"),
        (b"\xef\xbb\xbf" + written(), "not_json"),
        (b"\xff\xfe{\x00}\x00", "not_json"),
        (written() + b"x", "not_json"),
        (written() + written(), "not_json"),
        (written() + b"," + written(), "not_json"),
        (b"\x00" * 10_000_000, "not_json"),
        (b'{"a":' * 100_000, "not_json"),
        (b"[" * 100_000, "not_json"),
        (b'"text" and more', "not_json"),
        (written().replace(b"0.5", b"NaN"), "not_json"),
        (written().replace(b"0.5", b"-Infinity"), "not_json"),
        (written().replace(b"0.5", b"1e999"), "out_of_range"),
        (written().replace(b"0.5", b"0x1"), "not_json"),
        (written().replace(b"0.5", b'{"n":1e999}'), "wrong_type"),
        (written(word="xxx").replace(b"xxx", b"\xff\xfe"), "not_json"),
        (written(word="xxx").replace(b"xxx", rb"\ud800"), "not_json"),
        (written(word="xxx").replace(b"xxx", b"x\ny"), "not_json"),
        (b'{"double":"x",' + written()[1:], "duplicate_key"),
        (written()[:-1] + b',"double":"x"}', "wrong_type"),
    ],
)
def test_what_is_no_event_fails_alone(value: bytes | None, code: str, records: Records, json_decoder: Build) -> None:
    batch = json_decoder(FIELDS).decode(records([written(id="before"), value, written(id="after")]))
    assert {row: failure.code for row, failure in batch.failures.items()} == {1: code}
    assert len(batch.failures[1].value) <= 80
    assert batch.failures[1].value.isprintable()
    assert (len(batch), batch.ids[0], batch.ids[2]) == (3, "before", "after")


def test_two_broken_neighbours_do_not_join_into_two_good_rows(records: Records, json_decoder: Build) -> None:
    first, second = written(id="x", word="aa"), written(id="y", word="bb")
    middle = len(first) // 2
    batch = json_decoder(FIELDS).decode(records([first[:middle], first[middle:] + b"," + second]))
    assert {row: failure.code for row, failure in batch.failures.items()} == {0: "not_json", 1: "not_json"}


def test_the_last_of_equal_keys_counts_if_all_are_good(records: Records, json_decoder: Build) -> None:
    batch = json_decoder({"x": {"dtype": "int32"}}).decode(records([b'{"id":"a","x":1,"x":2}']))
    assert not batch.failures
    assert np.asarray(batch.columns["x"]).tolist() == [2]


def test_a_failed_row_keeps_its_id_where_it_can_be_read(records: Records, json_decoder: Build) -> None:
    decoder = json_decoder({"key": {"dtype": "int64"}, "x": {"dtype": "int32"}}, id="key")
    batch = decoder.decode(records([b'{"id":"","key":7,"x":"bad"}', b'{"id":"","key":"7","x":1}', b"junk"]))
    assert batch.ids == ["7", "", ""]


OPTIONAL: dict[str, Any] = {
    "flag": {"dtype": "bool", "required": False},
    "small": {"dtype": "int32", "required": False},
    "single": {"dtype": "float32", "required": False, "default": 1.5},
    "count": {"dtype": "int64", "required": False, "default": 3},
    "word": {"dtype": "string", "required": False},
    "named": {"dtype": "string", "required": False, "default": "none"},
    "carrier": {"dtype": "category", "required": False, "allowed": ["AA", "UA"]},
    "origin": {"dtype": "category", "required": False, "allowed": [10, 20], "default": 20},
    "at": {"dtype": "timestamp", "required": False},
    "vector": {"dtype": "float32[2]", "required": False},
}


@pytest.mark.parametrize("absent", [{}, dict.fromkeys(OPTIONAL)], ids=["absent", "null"])
def test_absent_optional_fields_take_default_or_nothing(
    absent: dict[str, None], records: Records, json_decoder: Build
) -> None:
    present = {"flag": True, "small": 2, "single": 0.5, "count": 1, "word": "w", "named": "n", "carrier": "AA"}
    present |= {"origin": 10, "at": 5, "vector": [1, 2]}
    values = [json.dumps({"id": "a", **fields}).encode() for fields in (absent, present)]
    batch = json_decoder(OPTIONAL, time="at").decode(records(values))
    assert not batch.failures
    columns = {name: column if isinstance(column, list) else column.tolist() for name, column in batch.columns.items()}
    assert math.isnan(columns["flag"][0])
    assert math.isnan(columns["small"][0])
    assert math.isnan(columns["at"][0])
    assert all(map(math.isnan, columns["vector"][0]))
    assert [columns[name] for name in ("single", "count", "word", "named", "carrier", "origin")] == [
        [1.5, 0.5],
        [3, 1],
        [None, "w"],
        ["none", "n"],
        [-1, 0],
        [1, 0],
    ]
    assert np.asarray(batch.columns["small"]).dtype == np.float64
    assert batch.event_times_ms.tolist() == [1_700_000_000_000, 5]


def test_an_integer_id_and_key_become_text(records: Records, json_decoder: Build) -> None:
    fields = {"n": {"dtype": "int64"}, "k": {"dtype": "int32", "required": False}}
    batch = json_decoder(fields, id="n", routing_key="k").decode(
        records([b'{"id":"","n":-7,"k":3}', b'{"id":"","n":8}'])
    )
    assert (batch.ids, batch.routing_keys) == (["-7", "8"], ["3", "8"])


def test_the_record_time_stands_in_for_the_event_time(records: Records, json_decoder: Build) -> None:
    assert json_decoder({}).decode(records([b'{"id":"a"}'])).event_times_ms.tolist() == [1_700_000_000_000]


@pytest.mark.parametrize(
    ("dtype", "unit", "value", "expected_ms"),
    [
        ("int64", "s", "1700000000", 1_700_000_000_000),
        ("int64", "us", "1700000000123999", 1_700_000_000_123),
        ("float64", "s", "1700000000.123", 1_700_000_000_123),
        ("float64", "s", "1.001", 1001),
        ("timestamp", "s", "1.001", 1001),
        ("int32", "s", "-1", -1000),
        ("timestamp", "s", "1700000000.123", 1_700_000_000_123),
        ("timestamp", "us", "-1", -1),
    ],
)
def test_a_numeric_event_time_is_in_its_unit(
    dtype: str, unit: str, value: str, expected_ms: int, records: Records, json_decoder: Build
) -> None:
    decoder = json_decoder({"t": {"dtype": dtype}}, time="t", time_unit=unit)
    batch = decoder.decode(records([b'{"id":"a","t":%b}' % value.encode()]))
    assert batch.event_times_ms.tolist() == [expected_ms]


def test_a_numeric_event_time_beyond_the_calendar_fails(records: Records, json_decoder: Build) -> None:
    decoder = json_decoder({"t": {"dtype": "int64"}}, time="t", time_unit="s")
    batch = decoder.decode(records([b'{"id":"a","t":9223372036854775807}', b'{"id":"b","t":1}']))
    assert {row: (f.code, f.field) for row, f in batch.failures.items()} == {0: ("bad_time", "t")}
    assert batch.event_times_ms[1] == 1000


def test_allowed_numbers(records: Records, json_decoder: Build) -> None:
    decoder = json_decoder({"i": {"dtype": "int32", "allowed": [1, 2]}, "f": {"dtype": "float32", "allowed": [0.1, 2]}})
    good, bad_int, bad_float = b'{"id":"a","i":2,"f":0.1}', b'{"id":"a","i":3,"f":2}', b'{"id":"a","i":1,"f":0.2}'
    batch = decoder.decode(records([good, bad_int, bad_float]))
    assert {row: (f.code, f.field, f.value) for row, f in batch.failures.items()} == {
        1: ("not_allowed", "i", "3"),
        2: ("not_allowed", "f", "0.2"),
    }


def test_float32_keeps_its_largest_number_as_written_shortest(records: Records, json_decoder: Build) -> None:
    batch = json_decoder({"x": {"dtype": "float32"}}).decode(records([b'{"id":"a","x":3.4028235e38}']))
    assert not batch.failures
    assert np.asarray(batch.columns["x"])[0] == np.finfo(np.float32).max


def test_an_empty_batch_stays_empty(records: Records, json_decoder: Build) -> None:
    batch = json_decoder(FIELDS).decode(records([]))
    assert (len(batch), dict(batch.failures)) == (0, {})
    assert {len(column) for column in batch.columns.values()} == {0}
