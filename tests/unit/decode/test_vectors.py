import base64
import json
from collections.abc import Callable

import numpy as np
import pytest

from streamapp.protocols import Decoder
from streamapp.types import RecordBatch

Records = Callable[..., RecordBatch]
Build = Callable[..., Decoder]

BEFORE, AFTER = [1.5, -2.0, 3e10], [0.0, 7.25, 0.1]


def event(raw: str) -> bytes:
    return b'{"id":"a","v":%b}' % raw.encode()


def packed(*numbers: float) -> str:
    return json.dumps(base64.b64encode(np.array(numbers, "<f4").tobytes()).decode())


WAYS = {
    "array": json.dumps,
    "text": lambda numbers: json.dumps(",".join(map(str, numbers))),
    "base64": lambda numbers: packed(*numbers),
}


@pytest.mark.parametrize("encoding", WAYS)
def test_every_way_to_write_a_vector_gives_the_same_matrix(
    encoding: str, records: Records, json_decoder: Build
) -> None:
    decoder = json_decoder({"v": {"dtype": "float32[3]", "encoding": encoding}})
    batch = decoder.decode(records([event(WAYS[encoding](numbers)) for numbers in (BEFORE, AFTER)]))
    assert not batch.failures
    matrix = np.asarray(batch.columns["v"])
    assert matrix.dtype == np.float32
    np.testing.assert_array_equal(matrix, np.array([BEFORE, AFTER], np.float32))


def test_auto_tells_arrays_from_text_per_row(records: Records, json_decoder: Build) -> None:
    decoder = json_decoder({"v": {"dtype": "float32[2]"}})
    batch = decoder.decode(records([event("[1, 2]"), event('"3,4"'), event('" 5\\t, 6 "'), event(r'"7\u002c8"')]))
    assert not batch.failures
    assert np.asarray(batch.columns["v"]).tolist() == [[1, 2], [3, 4], [5, 6], [7, 8]]


@pytest.mark.parametrize(
    ("encoding", "raw", "code"),
    [
        ("array", "[1,2]", "bad_vector"),
        ("array", "[1,2,3,4]", "bad_vector"),
        ("array", "[]", "bad_vector"),
        ("array", "[1,[2,3]]", "bad_vector"),
        ("array", "[[1,2,3]]", "bad_vector"),
        ("array", '[1,"2",3]', "bad_vector"),
        ("array", "[1,true,3]", "bad_vector"),
        ("array", "[1,null,3]", "bad_vector"),
        ("array", "[1,{},3]", "bad_vector"),
        ("array", "[1,1e999,3]", "bad_vector"),
        ("array", "[1,1e39,3]", "bad_vector"),
        ("array", "[1,-1e39,3]", "bad_vector"),
        ("array", '"1,2,3"', "bad_vector"),
        ("array", "5", "bad_vector"),
        ("array", "{}", "bad_vector"),
        ("array", "null", "missing"),
        ("array", "[1,2,NaN]", "not_json"),
        ("text", '"1,2"', "bad_vector"),
        ("text", '"1,2,3,4"', "bad_vector"),
        ("text", '""', "bad_vector"),
        ("text", '"1,2,3,"', "bad_vector"),
        ("text", '"1,,3"', "bad_vector"),
        ("text", '"1 2 3"', "bad_vector"),
        ("text", '"1,2,nan"', "bad_vector"),
        ("text", '"1,2,inf"', "bad_vector"),
        ("text", '"1,2],[3"', "bad_vector"),
        ("text", '"1,2,3]"', "bad_vector"),
        ("text", '"1,2,3\\n4,5,6"', "bad_vector"),
        ("text", '"1,2,3],[4,5,6"', "bad_vector"),
        ("text", '"1,2,3\\",\\"v\\":[4"', "bad_vector"),
        ("text", r'"1,2,\ud800"', "not_json"),
        ("text", "[1,2,3]", "bad_vector"),
        ("base64", packed(1, 2), "bad_vector"),
        ("base64", packed(1, 2, 3, 4), "bad_vector"),
        ("base64", packed(1, 2, float("nan")), "bad_vector"),
        ("base64", packed(1, float("inf"), 3), "bad_vector"),
        ("base64", '"!!!!"', "bad_vector"),
        ("base64", '"AAAA', "not_json"),
        ("base64", "[1,2,3]", "bad_vector"),
    ],
)
def test_a_bad_vector_fails_alone_and_moves_nothing(
    encoding: str, raw: str, code: str, records: Records, json_decoder: Build
) -> None:
    decoder = json_decoder({"v": {"dtype": "float32[3]", "encoding": encoding}})
    values = [event(WAYS[encoding](BEFORE)), event(raw), event(WAYS[encoding](AFTER))]
    batch = decoder.decode(records(values))
    assert {row: failure.code for row, failure in batch.failures.items()} == {1: code}
    if code == "bad_vector":
        assert batch.failures[1].field == "v"
        assert batch.ids[1] == "a"
    np.testing.assert_array_equal(np.asarray(batch.columns["v"])[[0, 2]], np.array([BEFORE, AFTER], np.float32))


def test_the_elements_of_a_vector_have_a_range(records: Records, json_decoder: Build) -> None:
    decoder = json_decoder({"v": {"dtype": "float32[2]", "ge": 0, "lt": 1}})
    batch = decoder.decode(records([event("[0,0.5]"), event("[0.5,1]"), event("[-1,0]")]))
    assert {row: (f.code, f.rule, f.value) for row, f in batch.failures.items()} == {
        1: ("out_of_range", "lt=1", "[1]=1"),
        2: ("out_of_range", "ge=0", "[0]=-1"),
    }


def test_an_absent_optional_vector_has_no_range(records: Records, json_decoder: Build) -> None:
    decoder = json_decoder({"v": {"dtype": "float32[2]", "ge": 0, "required": False}})
    batch = decoder.decode(records([b'{"id":"a"}', event("null"), event("[1,2]")]))
    assert not batch.failures
    assert np.isnan(np.asarray(batch.columns["v"])[:2]).all()


def test_a_long_vector_is_shown_short(records: Records, json_decoder: Build) -> None:
    decoder = json_decoder({"v": {"dtype": "float32[784]"}})
    failure = decoder.decode(records([event(json.dumps([0.5] * 783))])).failures[0]
    assert failure.message == "field 'v': 783 numbers, not 784"
    assert (failure.value[:9], len(failure.value)) == ("[0.5, 0.5", 80)
