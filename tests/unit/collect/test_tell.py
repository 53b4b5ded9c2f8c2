import io
import json
from dataclasses import replace
from importlib.resources import files
from random import Random

import fastavro
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamapp.collect.gather import Span
from streamapp.errors import ConfigError
from tests.collected import BEGAN_MS, Field, Record

OLD, NEW = ("old", "1"), ("new", "2")


def outcomes(field: Field, **more) -> list[tuple]:
    """unit, variant, time, values of every line that has them."""
    found = [line for line in field.lines(**more) if "unit" in line]
    return [(line["unit"], line["variant"], line["time"], line["values"]) for line in found]


def test_a_unit_is_told_of_when_it_is_exposed_and_when_its_label_comes(field: Field) -> None:
    (old,), (new,) = field.users("old", 1), field.users("new", 1)
    field.shown(0, old, 1_000)
    field.shown(1, new, 2_000)
    field.shown(2, old, 3_000)
    field.label(2, 9_000)
    field.label(1, 1_999, 0)
    assert outcomes(field) == [
        (old, "old", 1_000, {}),
        (new, "new", 2_000, {}),
        (new, "new", 2_000, {"clicked": 0.0}),  # known when it was answered, not before
        (old, "old", 9_000, {"clicked": 1.0}),
    ]
    assert field.lines()[-1] == {"until": 10**12}
    found = field.report()
    assert found.units == {"old": 1, "new": 1}
    assert found.comparisons["clicked", "new"].control.mean == 1.0


def test_the_header_is_what_the_report_reads(field: Field) -> None:
    field.shown(0, "a", 1_000)
    field.label(0, 2_000)
    field.plan = {"lateness_s": 5, "alpha": 0.01, "burn_in": 7}
    header = json.loads(next(field.collected().lines))
    assert header == {
        "experiment": "x",
        "control": "old",
        "variants": {"old": 0.5, "new": 0.5},
        "metrics": {"clicked": {"kind": "proportion", "better": "higher"}},
        "window_s": 60.0,
        "lateness_s": 5.0,
        "alpha": 0.01,
        "burn_in": 7,
    }


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_order_and_repeats_change_nothing(data: st.DataObject) -> None:
    """Topics read in another order, and events answered twice, give the same outcomes."""
    field = Field()
    users = st.sampled_from(["a", "b", "c", "d", "e"])
    count = data.draw(st.integers(1, 20))
    for number in range(count):
        field.shown(number, data.draw(users), BEGAN_MS + 10 * number)
    labelled = data.draw(st.sets(st.integers(0, count - 1), min_size=1))
    for number in sorted(labelled):
        field.label(number, BEGAN_MS + data.draw(st.integers(0, 3_000)), data.draw(st.integers(0, 1)))
    field.plan = {
        "metrics": {
            "clicked": {"from": "label", "kind": "proportion"},
            "n": {"from": "answered"},
            "p": {"from": "score:p", "aggregate": "mean"},
            "waited": {"from": "latency_ms"},
        }
    }
    straight = field.lines()
    again = data.draw(st.lists(st.integers(0, count - 1)))
    for number in again:
        # The repeat came later, and from whoever had the key by then.
        field.answer(number, BEGAN_MS + 10_000 + number, NEW)
    order = Random(data.draw(st.integers(0, 99)))
    for records in field.topics.values():
        order.shuffle(records)
    assert field.lines() == straight
    notes = field.collected().notes
    assert any(note.startswith(f"{len(again)} repeated answers") for note in notes) == bool(again)
    values = [line["values"] for line in straight if "unit" in line]
    assert sum(v.get("n", 0) for v in values) == count
    assert all(v["waited"] == 5 for v in values if "waited" in v)
    assert sum("clicked" in v for v in values) == len(labelled)


def test_a_label_joins_once_and_within_the_window(field: Field) -> None:
    field.shown(0, "a", 1_000)
    field.shown(1, "b", 1_000)
    field.label(0, 5_000, 0, known_ms=7_000)
    field.label(0, 6_000, 1, known_ms=6_500)  # this one was there first
    field.label(1, 995 + 3_600_001, 1)
    field.add("labels", b"{", 1)
    field.plan = {"window_s": 10_000}
    assert [(time, v) for _, _, time, v in outcomes(field) if v] == [(6_000, {"clicked": 1.0})]
    assert "1 outcomes or dead letters cannot be read and were left out" in field.collected().notes


def test_of_two_events_with_one_id_the_first_gets_the_label(field: Field) -> None:
    field.shown(0, "a", 1_000)
    field.event(1, "b", 1_995)
    field.answer(1, 2_000, field.dealt("b"), id="e0")
    field.label(0, 5_000)
    assert [(unit, v) for unit, _, _, v in outcomes(field) if v] == [("a", {"clicked": 1.0})]


def test_only_what_was_scored_within_the_span_counts(field: Field) -> None:
    for number in range(4):
        field.shown(number, f"u{number}", 1_000 * number + 1_000)
        field.label(number, 1_000 * number + 1_500)
    found = outcomes(field, span=Span(2_000, 3_200))
    assert [(unit, time) for unit, _, time, _ in found] == [("u1", 2_000), ("u1", 2_500), ("u2", 3_000)]
    with pytest.raises(ConfigError, match="no prediction in topic predictions was scored in that time"):
        field.lines(Span(0, 500))


def test_a_dead_letter_is_an_event_of_the_variant_that_its_key_was_dealt_to(field: Field) -> None:
    field.plan = {"metrics": {"lost": {"from": "dead_letter", "kind": "proportion", "better": "lower", "margin": 0.01}}}
    (old,), (new,) = field.users("old", 1), field.users("new", 1)
    field.shown(0, old, 1_000)
    for number, user, stage in ((1, new, "infer"), (1, new, "infer"), (2, old, "decode"), (3, old, "deadline")):
        event = json.dumps({"id": f"e{number}", "user": user, "amount": 1.0}).encode()
        cause = {"topic": "events", "partition": "0", "offset": str(number), "stage": stage}
        headers = [(f"__connect.errors.{name}", value.encode()) for name, value in cause.items()]
        field.add("dead", event, 2_000 + number, headers)
    assert outcomes(field) == [(old, "old", 1_000, {"lost": 0.0}), (new, "new", 2_001, {"lost": 1.0})]


def test_routing_by_id_needs_no_events(field: Field) -> None:
    field.pipeline = {"event": {"id": "id", "fields": {"id": {"dtype": "string"}, "amount": {"dtype": "float32"}}}}
    field.answer(0, 1_000, OLD)
    field.label(0, 2_000)
    del field.topics["events"]
    assert outcomes(field)[0] == ("e0", "old", 1_000, {})


def test_predictions_that_repeat_their_event_need_no_input_topic(field: Field) -> None:
    field.pipeline = {"predictions": {"topic": "predictions", "include_event": True}}
    field.answer(0, 1_000, OLD, event={"id": "e0", "user": "ann", "amount": 1.0})
    field.label(0, 2_000)
    del field.topics["events"]
    assert outcomes(field)[0] == ("ann", "old", 1_000, {})


def test_events_that_are_gone_are_an_error_that_says_since_when_they_are_there(field: Field) -> None:
    for number in range(4):
        field.shown(number, f"u{number}", 1_000 * number + 1_000)
        field.label(number, 1_000 * number + 1_500)
    field.topics["events"] = field.topics["events"][2:]
    said = r"(?s)events of 2 answers are not in events any more.*--from 1970-01-01T00:00:02.001Z"
    with pytest.raises(ConfigError, match=said):
        field.lines()
    assert [unit for unit, *_ in outcomes(field, span=Span(2_001, 10_000))] == ["u2", "u2", "u3", "u3"]


def test_an_event_that_cannot_be_read_any_more_or_is_nobody_s_is_counted(field: Field) -> None:
    for number, user in enumerate(("u0", "u1", "u2", "")):
        field.shown(number, user, 1_000 * number + 1_000)
        field.label(number, 1_000 * number + 1_500)
    field.topics["events"][1] = Record(0, 1, 0, b'{"id": "e1"}')
    assert "left out: 2 whose event cannot be read, or has an empty routing key" in field.collected().notes


def test_answers_against_the_weights_are_told(field: Field) -> None:
    (old,) = field.users("old", 1)
    field.event(0, old, 995)
    field.answer(0, 1_000, NEW)
    field.label(0, 2_000)
    assert "1 exposures were to another variant than their key was dealt to" in field.collected().notes


def test_replays_are_told_in_event_time(field: Field) -> None:
    field.plan = {"clock": "event_time"}
    field.event(0, "a", 0)
    field.answer(0, 9_000_000, field.dealt("a"), event_time=1_000)
    field.label(0, 2_000)
    field.event(1, "b", 0)
    field.answer(1, 9_000_001, field.dealt("b"), event_time=70_000)
    assert [time for _, _, time, _ in outcomes(field)] == [1_000, 2_000, 70_000]
    assert field.lines()[-1] == {"until": 70_000}


@pytest.mark.parametrize(
    ("metrics", "said"),
    [
        ({"m": {"from": "label"}}, "metrics.m: there is no value from `label`: no outcome in topic labels joins"),
        ({"m": {"from": "score:p", "kind": "bounded", "low": 0.5, "high": 1}}, "m is 0.25, outside 0.5 to 1"),
    ],
)
def test_a_metric_that_cannot_be_had_is_named_before_anything_is_written(field: Field, metrics, said) -> None:
    field.shown(0, "a", 1_000)
    field.plan = {"metrics": metrics}
    with pytest.raises(ConfigError, match=said):
        field.collected()


def test_what_is_no_prediction_is_named(field: Field) -> None:
    field.add("predictions", b'{"id": "e0"}', 1)
    with pytest.raises(ConfigError, match=r"predictions/0/0 is no prediction.*`predictions.topic`"):
        field.collected()


class Remembered:
    """A history of one view, whose value is the time that it is asked for."""

    views = ("wallet",)

    def __init__(self) -> None:
        self.asked: list[tuple] = []

    def keys(self, view, columns, rows):
        return [columns["user"][row] if columns["user"][row] != "b" else None for row in rows]

    def read(self, view, keys, as_of_ms):
        self.asked += zip(keys, as_of_ms.tolist(), strict=True)
        return {"wallet:balance": np.where(np.array(keys) == "c", np.nan, as_of_ms.astype(np.float64))}


def test_a_covariate_is_of_the_time_before_the_first_exposure(field: Field) -> None:
    field.pipeline = {"features": {"repository": "."}}
    field.plan = {"metrics": {"p": {"from": "score:p", "covariate": "wallet:balance"}}}
    for number, user in enumerate("aabc"):
        field.shown(number, user, 1_000 * number + 1_000)
    field.event(4, "d", 0)
    field.answer(4, 9_000, field.dealt("d"), event_time=10_000)  # its clock is ahead
    history = Remembered()
    lines = [line for line in field.lines(history=history) if "unit" in line]
    assert sorted(history.asked) == [("a", 994), ("c", 3_994), ("d", 8_999)]
    assert [(line["unit"], line.get("covariates")) for line in lines] == [
        ("a", {"p": 994.0}),
        ("a", None),
        ("b", {}),
        ("c", {}),
        ("d", {"p": 8_999.0}),
    ]
    assert (
        "p: 2 units have no wallet:balance from before their first exposure" in field.collected(history=history).notes
    )


def test_avro_predictions_are_read_like_json_ones(field: Field) -> None:
    field.plan = {"metrics": {"p": {"from": "score:p"}}}
    field.shown(0, "a", 1_000)
    as_json = field.lines()
    schema = json.loads(files("streamapp.encode").joinpath("prediction.avsc").read_text(encoding="utf-8"))
    (record,) = field.topics["predictions"]
    written = io.BytesIO()
    fastavro.schemaless_writer(written, fastavro.parse_schema(schema), {"features": {}, **json.loads(record.value)})
    field.pipeline = {"predictions": {"topic": "predictions", "format": "avro"}}
    field.topics["predictions"] = [replace(record, value=written.getvalue())]
    assert field.lines() == as_json
    field.topics["predictions"] = [replace(record, value=written.getvalue()[:9])]
    with pytest.raises(ConfigError, match="is no prediction"):
        field.lines()
