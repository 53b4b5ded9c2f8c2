"""The typed decode and the step-by-step checks agree on every value, and a bad row never touches its neighbours."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from streamapp.config.settings import EventSettings, SourceSettings
from streamapp.decode import build_decoder
from streamapp.decode.checks import check_value
from streamapp.decode.schema import compile_schema
from streamapp.types import RecordBatch

FIELDS: dict[str, Any] = {
    "id": {"dtype": "string", "max_length": 6},
    "flag": {"dtype": "bool"},
    "small": {"dtype": "int32", "gt": -3.5},
    "big": {"dtype": "int64", "required": False},
    "choice": {"dtype": "int32", "allowed": [1, 2, 5], "required": False},
    "single": {"dtype": "float32"},
    "double": {"dtype": "float64", "ge": -1e300, "lt": 100},
    "rate": {"dtype": "float64", "allowed": [0.1, 2], "required": False},
    "word": {"dtype": "string", "min_length": 1, "max_length": 3, "required": False},
    "carrier": {"dtype": "category", "allowed": ["AA", "UA"]},
    "at": {"dtype": "timestamp"},
}
EVENT = EventSettings.model_validate({"id": "id", "time": "at", "fields": FIELDS})
SCHEMA = compile_schema(EVENT)
DECODER = build_decoder(SourceSettings(topics=("t",)), EVENT, Path())
GOOD: dict[str, Any] = {
    "id": "good",
    "flag": False,
    "small": 1,
    "single": 1.5,
    "double": 2.5,
    "carrier": "AA",
    "at": "2013-01-01T05:00:00Z",
}

numbers = st.one_of(
    st.integers(-10, 10),
    st.integers(),
    st.sampled_from(
        [2**31 - 1, 2**31, -(2**31), 2**63 - 1, 2**63, -(2**63) - 1, 10**400, 253402300799999, 253402300800000]
    ),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([0.1, 3.4028235e38, 3.4028236e38, -3.5e38, 100.0, math.nextafter(100, 0), 1.7e308]),
)
times = st.one_of(
    st.datetimes().map(lambda at: at.isoformat()),
    st.datetimes().map(lambda at: at.isoformat() + "Z"),
    st.sampled_from(["2013-01-01", "2013-01-01T05:00:60Z", "2013-01-01T05:00:00.1234567891+23:59", "now"]),
)
scalars = st.one_of(
    st.none(), st.booleans(), numbers, st.text(max_size=8), st.sampled_from(["AA", "UA", "ZZ", "5", "true"]), times
)
anything = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)
events = st.dictionaries(st.sampled_from(list(FIELDS)), anything, max_size=2).map(lambda changes: {**GOOD, **changes})

# A busy machine is no reason to fail.
calm = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


def batch(*values: bytes) -> RecordBatch:
    n = len(values)
    return RecordBatch(
        ["t"] * n,
        np.zeros(n, np.int32),
        np.arange(n, dtype=np.int64),
        np.zeros(n, np.int64),
        [None] * n,
        list(values),
        [()] * n,
    )


LATE = ("not_allowed", "rate")
"""`allowed` of a float is looked at for whole columns, after everything else."""


def first_broken(event: dict[str, Any]) -> tuple[str, str] | None:
    """Code and field by the step-by-step checks alone, on values that the standard library parsed."""
    broken: list[tuple[str, str]] = []
    for i, rule in enumerate(SCHEMA.rules):
        value = event.get(rule.name)
        if value is None:
            broken += [("missing", rule.name)] * rule.required
        elif found := check_value(rule, value, is_id=i == SCHEMA.id_field):
            broken.append((found.code, rule.name))
    return min(broken, key=lambda found: found == LATE, default=None)


@calm
@given(events)
@example({**GOOD, "double": 10**400})
@example({**GOOD, "small": True})
@example({**GOOD, "double": False})
@example({**GOOD, "at": "0001-01-01T00:00:00+23:59"})
def test_the_typed_decode_and_the_checks_agree(event: dict[str, Any]) -> None:
    value = json.dumps(event, ensure_ascii=False).encode("utf-8", "surrogatepass")
    decoded = DECODER.decode(batch(json.dumps(GOOD).encode(), value))
    found = decoded.failures.get(1)
    assert 0 not in decoded.failures
    assert (found and (found.code, found.field)) == first_broken(event)


@calm
@given(events)
def test_a_good_row_reads_back(event: dict[str, Any]) -> None:
    decoded = DECODER.decode(batch(json.dumps(event).encode()))
    if decoded.failures:
        return
    for rule in SCHEMA.rules:
        value, column = event.get(rule.name), decoded.columns[rule.name]
        read = column[0] if isinstance(column, list) else np.asarray(column)[0].item()
        if rule.dtype == "category":
            assert rule.allowed is not None
            assert rule.allowed[read] == value
        elif rule.dtype == "float32":
            assert read == np.float32(value)
        elif value is None and rule.dtype != "string":
            assert math.isnan(read)
        elif rule.dtype != "timestamp":
            assert read == (float(value) if isinstance(read, float) else value)
    assert decoded.ids == [event["id"]]


@settings(calm, max_examples=300)
@given(st.binary(max_size=60), st.integers(0, 200), st.integers(0, 5))
def test_no_bytes_raise_or_touch_a_neighbour(noise: bytes, at: int, cut: int) -> None:
    good = json.dumps(GOOD).encode()
    spoiled = good[:at] + noise + good[at + cut :]
    decoded = DECODER.decode(batch(good, spoiled, good))
    assert len(decoded) == 3
    assert set(decoded.failures) <= {1}
    assert decoded.ids[::2] == ["good", "good"]
    assert {len(column) for column in decoded.columns.values()} == {3}


K = 3
VECTORS = {
    encoding: build_decoder(
        SourceSettings(topics=("t",)),
        EventSettings.model_validate(
            {"id": "id", "fields": {"id": {"dtype": "string"}, "v": {"dtype": f"float32[{K}]", "encoding": encoding}}}
        ),
        Path(),
    )
    for encoding in ("array", "text", "auto")
}
texts = st.one_of(
    st.text('0123456789.,-+eE[]"\\ nulNaN{}:\n\t', max_size=20),
    st.lists(st.floats(width=32).map(repr), min_size=1, max_size=5).map(",".join),
)


def as_vector(text: str) -> list[float] | None:
    """K finite float32 numbers written in JSON with commas between; None if the text is anything else."""
    try:
        parsed = json.loads(f"[{text}]", parse_constant=lambda _: None)
    except ValueError:
        return None
    good = len(parsed) == K and all(type(x) in (int, float) and abs(x) < 3.4028235677973366e38 for x in parsed)
    return parsed if good else None


@calm
@given(texts)
@example("1,2],[3")
@example("1,2,3],[4,5,6")
@example("1,2,340282350000000000000000000000000000000")
def test_a_text_is_k_numbers_or_fails_alone(text: str) -> None:
    expected = as_vector(text)
    values = [json.dumps({"id": "a", "v": written}).encode() for written in ("1,2,3", text, "4,5,6")]
    for encoding in ("text", "auto"):
        decoded = VECTORS[encoding].decode(batch(*values))
        matrix = np.asarray(decoded.columns["v"])
        assert set(decoded.failures) == (set() if expected else {1})
        assert matrix[::2].tolist() == [[1, 2, 3], [4, 5, 6]]
        if expected:
            np.testing.assert_array_equal(matrix[1], np.array(expected, np.float32))


@calm
@given(st.lists(anything, max_size=5))
def test_an_array_is_k_numbers_or_fails_alone(elements: list[Any]) -> None:
    text = json.dumps(elements)
    expected = as_vector(text[1:-1])
    values = [b'{"id":"a","v":%b}' % written.encode() for written in ("[1,2,3]", text, "[4,5,6]")]
    decoded = VECTORS["array"].decode(batch(*values))
    assert set(decoded.failures) == (set() if expected else {1})
    assert np.asarray(decoded.columns["v"])[::2].tolist() == [[1, 2, 3], [4, 5, 6]]
