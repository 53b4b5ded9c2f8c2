from typing import Any

import pytest

from streamapp.config.settings import EventSettings
from streamapp.decode.schema import compile_schema
from streamapp.errors import SchemaError

ID = {"id": {"dtype": "string"}}


def event(fields: dict[str, Any], **roles: Any) -> EventSettings:
    return EventSettings.model_validate({"id": "id", "fields": {**ID, **fields}, **roles})


@pytest.mark.parametrize(
    ("declared", "word"),
    [
        ({"dtype": "int32", "ge": 5, "le": 4}, "widen"),
        ({"dtype": "int32", "gt": 4, "lt": 5}, "widen"),
        ({"dtype": "int32", "ge": 2**31}, "widen"),
        ({"dtype": "float64", "gt": 1, "le": 1}, "widen"),
        ({"dtype": "float64", "le": float("nan")}, "finite"),
        ({"dtype": "string", "ge": 0}, "range"),
        ({"dtype": "category", "allowed": ["a"], "le": 0}, "range"),
        ({"dtype": "timestamp", "lt": 0}, "range"),
        ({"dtype": "int32", "min_length": 1}, "strings"),
        ({"dtype": "string", "min_length": 3, "max_length": 2}, "swap"),
        ({"dtype": "float32", "encoding": "base64"}, "vectors"),
        ({"dtype": "float32[4]", "allowed": [1]}, "allowed"),
        ({"dtype": "float32[4]", "required": False, "default": 0}, "default"),
        ({"dtype": "bool", "allowed": [True]}, "allowed"),
        ({"dtype": "category"}, "allowed"),
        ({"dtype": "category", "allowed": []}, "empty"),
        ({"dtype": "category", "allowed": ["a", "a"]}, "twice"),
        ({"dtype": "category", "allowed": ["DK", False]}, "quote"),
        ({"dtype": "category", "allowed": [2**63]}, "64 bits"),
        ({"dtype": "int32", "allowed": [1, 2.5]}, "2.5"),
        ({"dtype": "int32", "allowed": [1, 9], "le": 8}, "le=8"),
        ({"dtype": "string", "allowed": ["abc"], "max_length": 2}, "max_length=2"),
        ({"dtype": "int32", "default": 1}, "required"),
        ({"dtype": "int32", "required": False, "default": "1"}, "dtype int32"),
        ({"dtype": "int32", "required": False, "default": True}, "dtype int32"),
        ({"dtype": "float32", "required": False, "default": 1e39}, "dtype float32"),
        ({"dtype": "float32", "required": False, "default": float("nan")}, "dtype float32"),
        ({"dtype": "category", "required": False, "default": "c", "allowed": ["a", "b"]}, "allowed"),
        ({"dtype": "float64", "required": False, "default": 7, "le": 6}, "le=6"),
    ],
)
def test_a_contradiction_names_the_field_and_what_to_do(declared: dict[str, Any], word: str) -> None:
    with pytest.raises(SchemaError, match=r"event\.fields\.x: ") as raised:
        compile_schema(event({"x": declared}))
    assert word in str(raised.value)


@pytest.mark.parametrize(
    ("fields", "roles", "word"),
    [
        ({}, {"id": "key"}, "not declared"),
        ({"x": {"dtype": "float64"}}, {"id": "x"}, "dtype float64"),
        ({"x": {"dtype": "string", "required": False}}, {"id": "x"}, "optional"),
        ({}, {"time": "at"}, "not declared"),
        ({"x": {"dtype": "string"}}, {"time": "x"}, "dtype string"),
        ({"x": {"dtype": "float32"}}, {"time": "x"}, "dtype float32"),
        ({"x": {"dtype": "float64"}}, {"routing_key": "x"}, "dtype float64"),
        ({}, {"routing_key": "ce_id"}, "not declared"),
    ],
)
def test_a_role_needs_a_declared_field_that_fits(fields: dict[str, Any], roles: dict[str, Any], word: str) -> None:
    with pytest.raises(SchemaError, match=r"event\.(id|time|routing_key): ") as raised:
        compile_schema(event(fields, **roles))
    assert word in str(raised.value)


def test_integer_bounds_close_to_whole_numbers() -> None:
    rule = compile_schema(event({"x": {"dtype": "int32", "gt": 0.5, "lt": 3}})).rules[1]
    assert (rule.bounds.low, rule.bounds.high) == (1, 2)


def test_cloudevents_headers_can_be_id_and_time() -> None:
    schema = compile_schema(event({}, id="ce_id", time="ce_time", routing_key="ce_id"))
    assert (schema.id_field, schema.time_header, schema.key_field) == (None, True, None)


def test_a_declared_field_named_like_a_header_is_a_field() -> None:
    schema = compile_schema(event({"ce_id": {"dtype": "string"}}, id="ce_id"))
    assert schema.id_field == 1
