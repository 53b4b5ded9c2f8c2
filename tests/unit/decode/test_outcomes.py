from collections.abc import Callable
from typing import Any

import pytest

from streamapp.config.settings import OutcomeSettings
from streamapp.decode import build_outcome_decoder
from streamapp.errors import SchemaError
from streamapp.protocols import OutcomeDecoder
from streamapp.types import RecordBatch

Records = Callable[..., RecordBatch]


def decoder(**changes: Any) -> OutcomeDecoder:
    declared = {"topic": "labels", "id": "flight", "label": "late", "time": "landed", "score": "p", **changes}
    return build_outcome_decoder(OutcomeSettings.model_validate(declared))


def test_binary_labels_are_zero_one_or_truth_values(records: Records) -> None:
    values = [b'{"flight":"a","late":%b,"landed":%d}' % (label, 5) for label in (b"0", b"1", b"true", b"false", b"1.0")]
    batch = decoder().decode(records(values))
    assert not batch.failures
    assert batch.labels.tolist() == [0, 1, 1, 0, 1]
    assert batch.times_ms.tolist() == [5] * 5


def test_regression_labels_are_finite_numbers(records: Records) -> None:
    values = [b'{"flight":7,"late":-12.5,"landed":"2013-01-01T05:00:00Z"}', b'{"flight":"b","late":3,"landed":0}']
    batch = decoder(task="regression").decode(records(values))
    assert not batch.failures
    assert (batch.ids, batch.labels.tolist()) == (["7", "b"], [-12.5, 3])
    assert batch.times_ms.tolist() == [1_357_016_400_000, 0]


def test_without_a_time_field_the_record_says_when(records: Records) -> None:
    assert decoder(time=None).decode(records([b'{"flight":"a","late":1}'])).times_ms.tolist() == [1_700_000_000_000]


@pytest.mark.parametrize(
    ("task", "value", "code", "field"),
    [
        ("binary_classification", b'{"flight":"a","late":2,"landed":1}', "not_allowed", "late"),
        ("binary_classification", b'{"flight":"a","late":0.5,"landed":1}', "not_allowed", "late"),
        ("binary_classification", b'{"flight":"a","late":"1","landed":1}', "wrong_type", "late"),
        ("binary_classification", b'{"flight":"a","late":null,"landed":1}', "missing", "late"),
        ("binary_classification", b'{"flight":"","late":1,"landed":1}', "empty", "flight"),
        ("binary_classification", b'{"flight":true,"late":1,"landed":1}', "wrong_type", "flight"),
        ("binary_classification", b'{"flight":"a","late":1,"landed":"soon"}', "bad_time", "landed"),
        ("binary_classification", b'{"flight":"a","late":1,"landed":[]}', "wrong_type", "landed"),
        ("binary_classification", b'{"flight":"a","late":1}', "missing", "landed"),
        ("binary_classification", b'{"flight":"a","late":"x","late":1,"landed":1}', "duplicate_key", ""),
        ("binary_classification", b"[]", "not_an_object", ""),
        ("binary_classification", b"{", "not_json", ""),
        ("binary_classification", None, "empty", ""),
        ("regression", b'{"flight":"a","late":true,"landed":1}', "wrong_type", "late"),
        ("regression", b'{"flight":"a","late":1e999,"landed":1}', "out_of_range", "late"),
        ("regression", b'{"flight":"a","late":NaN,"landed":1}', "not_json", ""),
        ("regression", b'{"flight":"a","late":%b,"landed":1}' % (b"9" * 400), "out_of_range", "late"),
    ],
)
def test_a_bad_outcome_fails_alone(task: str, value: bytes | None, code: str, field: str, records: Records) -> None:
    good = b'{"flight":"b","late":1,"landed":1}'
    batch = decoder(task=task).decode(records([good, value, good]))
    assert {row: (f.code, f.field) for row, f in batch.failures.items()} == {1: (code, field)}
    assert batch.labels[[0, 2]].tolist() == [1, 1]


def test_one_field_cannot_be_two_things() -> None:
    with pytest.raises(SchemaError, match="different fields"):
        decoder(label="flight")
