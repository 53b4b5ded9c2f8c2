"""A deadline per event, through the stages that it touches."""

import io
import json
from collections.abc import Sequence
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import fastavro
import numpy as np
import orjson
import pytest

from streamapp.config.settings import OutputSettings, PipelineSettings
from streamapp.decode import build_decoder
from streamapp.encode import build_encoder, build_json_encoder
from streamapp.enrich import EnrichCounts
from streamapp.observe.metrics import Metrics, new_registry
from streamapp.observe.observation import Observation
from streamapp.pipeline import Pipeline, variants_of
from streamapp.route import HashRouter, Share
from streamapp.testing import ManualClock
from streamapp.types import (
    EventBatch,
    Failure,
    FeatureBlock,
    OutgoingBatch,
    RecordBatch,
    Routes,
    ScoreBlock,
    ScoredBatch,
)

NOW_MS = 1_700_000_000_000


class Seen:
    """Enricher and model in one, which write down the rows that they are given per variant."""

    def __init__(self) -> None:
        self.counts = EnrichCounts()
        self.enriched: list[list[int]] = []
        self.scored: list[list[int]] = []

    def enrich(
        self, events: EventBatch, routes: Routes, wirings: Sequence[str] | None = None
    ) -> tuple[FeatureBlock, ...]:
        self.enriched += [rows.tolist() for rows in routes.rows]
        return tuple(FeatureBlock.without_features(rows) for rows in routes.rows)

    def infer(self, events: EventBatch, features: Sequence[FeatureBlock]) -> tuple[ScoreBlock, ...]:
        self.scored += [block.rows.tolist() for block in features]
        return tuple(ScoreBlock(block.rows, ("score",), np.full((len(block.rows), 1), 0.9)) for block in features)

    def close(self) -> None:
        return


def settings(batching: dict[str, Any], *, format_: str = "json", time: str | None = None) -> PipelineSettings:
    variant = {"model": {"name": "m", "version": "3", "path": "m.onnx"}, "inputs": {"x": ["amount"]}}
    variant["outputs"] = {"score": {"tensor": "y"}}
    fields = {"id": {"dtype": "string"}, "amount": {"dtype": "float64"}, "at": {"dtype": "timestamp"}}
    return PipelineSettings.model_validate(
        {
            "name": "p",
            "source": {"topics": ["in"]},
            "event": {"id": "id", "time": time, "fields": fields},
            "variants": {"main": {**variant, "weight": 1}, "candidate": {**variant, "weight": 1, "shadow": 1}},
            "batching": batching,
            "predictions": {"topic": "out", "format": format_},
            "dead_letters": {"topic": "dead"},
            "outcomes": {"topic": "labels", "id": "id", "label": "y", "score": "score"},
        }
    )


def build(chosen: PipelineSettings, clock: ManualClock, seen: Seen | None = None) -> Pipeline:
    seen = seen or Seen()
    return Pipeline(
        chosen,
        decoder=build_decoder(chosen.source, chosen.event, Path()),
        router=HashRouter("p", [Share(name, v.weight, v.shadow) for name, v in chosen.variants.items()]),
        enricher=seen,
        inferrer=seen,
        encoder=build_encoder(chosen),
        readable=build_json_encoder(chosen),
        clock=clock,
    )


def batch(ages_ms: Sequence[int], bad: Sequence[int] = (), event_ages_ms: Sequence[int] | None = None) -> RecordBatch:
    n = len(ages_ms)
    times = [NOW_MS - age for age in (event_ages_ms or ages_ms)]
    values = [orjson.dumps({"id": f"e{i}", "amount": 1.0, "at": times[i]}) for i in range(n)]
    return RecordBatch(
        ["in"] * n,
        np.zeros(n, np.int32),
        np.arange(n),
        np.array([NOW_MS - age for age in ages_ms], np.int64),
        [b"k%d" % i for i in range(n)],
        [b"{" if i in bad else value for i, value in enumerate(values)],
        [()] * n,
    )


def run(path: Pipeline, records: RecordBatch) -> tuple[ScoredBatch, dict[str, OutgoingBatch]]:
    scored = path.score(path.prepare(records))
    return scored, {out.topic: out for out in path.encode(scored)}


FALLBACK = {"deadline_ms": 1000, "late_policy": "fallback", "fallback_scores": {"score": 0.25}}


def test_without_a_deadline_nothing_is_late() -> None:
    scored, out = run(build(settings({}), ManualClock(NOW_MS)), batch([10**12, 0]))
    assert scored.late is None
    assert list(out) == ["out"]


def test_an_age_of_the_deadline_is_in_time() -> None:
    path = build(settings({"deadline_ms": 1000}), ManualClock(NOW_MS))
    scored, out = run(path, batch([999, 1000, 1001, -5]))
    assert scored.late is not None
    assert (scored.late.policy, scored.late.rows.tolist()) == ("score_anyway", [2])
    assert len(out["out"]) == 4


def test_a_batch_in_time_has_no_late_rows() -> None:
    assert run(build(settings(FALLBACK), ManualClock(NOW_MS)), batch([0, 5]))[0].late is None


def test_time_that_passes_before_the_batch_is_taken_counts() -> None:
    clock = ManualClock(NOW_MS)
    path = build(settings({"deadline_ms": 1000}), clock)
    assert run(path, batch([600]))[0].late is None
    clock.advance(0.5)
    assert run(path, batch([600]))[0].late is not None


def test_fallbacks_cost_no_features_and_no_inference() -> None:
    seen = Seen()
    path = build(settings(FALLBACK), ManualClock(NOW_MS), seen)
    _, out = run(path, batch([0, 5000, 0, 5000, 0], bad=[3]))
    assert {row for rows in [*seen.enriched, *seen.scored] for row in rows} == {0, 2, 4}
    answers = [orjson.loads(value or b"") for value in out["out"].values]
    assert [answer["id"] for answer in answers] == ["e0", "e1", "e2", "e4"]
    late = answers[1]
    assert list(late)[-2:] == ["source", "fallback"]
    assert (late["scores"], late["fallback"]) == ({"score": 0.25}, "deadline")
    assert (late["model"], late["model_version"], "features" in late) == ("", "", False)
    assert late["variant"] in ("main", "candidate")
    assert all("fallback" not in answer and answer["model"] == "m" for answer in (answers[0], *answers[2:]))
    assert (out["out"].keys[1], out["out"].rows.tolist()) == (b"k1", [0, 1, 2, 4])
    assert out["dead"].rows.tolist() == [3]


def test_a_fallback_has_the_variant_that_would_have_answered() -> None:
    clock = ManualClock(NOW_MS)
    late = run(build(settings(FALLBACK), clock), batch([5000] * 40))[1]["out"]
    in_time = run(build(settings({}), clock), batch([5000] * 40))[1]["out"]
    chosen = [[orjson.loads(value or b"")["variant"] for value in out.values] for out in (late, in_time)]
    assert chosen[0] == chosen[1]
    assert set(chosen[0]) == {"main", "candidate"}


def test_a_fallback_is_that_of_the_wiring() -> None:
    chosen = settings({**FALLBACK, "fallback_scores": {"score": 0.25, "size": 4.0}})
    outputs = {**chosen.variants["main"].outputs, "size": OutputSettings(tensor="z")}
    main = chosen.variants["main"].model_copy(update={"outputs": outputs})
    chosen = chosen.model_copy(update={"variants": {**chosen.variants, "main": main}})
    path = build(chosen, ManualClock(NOW_MS))
    for wirings, sizes in ((("", ""), {"main"}), (("candidate", "main"), {"candidate"}), (("candidate",) * 2, set())):
        wired = zip(path.serving.variants, wirings, strict=True)
        path.serve(replace(path.serving, variants=tuple(replace(each, wiring=wiring) for each, wiring in wired)))
        answers = [orjson.loads(value or b"") for value in run(path, batch([5000] * 40))[1]["out"].values]
        assert {answer["variant"] for answer in answers} == {"main", "candidate"}
        assert {answer["variant"] for answer in answers if "size" in answer["scores"]} == sizes


def test_a_fallback_in_avro() -> None:
    _, out = run(build(settings(FALLBACK, format_="avro"), ManualClock(NOW_MS)), batch([0, 5000]))
    schema = fastavro.parse_schema(json.loads(files("streamapp.encode").joinpath("prediction.avsc").read_text()))
    read = [fastavro.schemaless_reader(io.BytesIO(value or b""), schema, None) for value in out["out"].values]
    assert [(r["id"], r["fallback"], r["scores"]) for r in read] == [
        ("e0", None, {"score": 0.9}),
        ("e1", "deadline", {"score": 0.25}),
    ]


def test_a_fallback_that_is_too_large_can_still_become_a_dead_letter() -> None:
    path = build(settings(FALLBACK), ManualClock(NOW_MS))
    scored, _ = run(path, batch([5000, 5000]))
    again = path.encode(replace(scored, failures={1: Failure("publish", "record_too_large", "")}))
    assert {out.topic: out.rows.tolist() for out in again} == {"out": [0], "dead": [1]}


@pytest.mark.parametrize("origin", ["record", "event_time"])
def test_dead_letters_say_how_late(origin: str) -> None:
    batching = {"deadline_ms": 1000, "late_policy": "dead_letter", "deadline_from": origin}
    seen = Seen()
    path = build(settings(batching, time="at"), ManualClock(NOW_MS), seen)
    by_record, by_event = [5000, 0, 0], [0, 5000, 0]
    scored, out = run(path, batch(by_record, event_ages_ms=by_event))
    row = 0 if origin == "record" else 1
    failure = scored.failures[row]
    assert list(scored.failures) == [row]
    assert (failure.stage, failure.code, failure.rule) == ("deadline", "late", "deadline_ms=1000")
    assert (failure.field, failure.value) == ("" if origin == "record" else "at", "5000 ms")
    assert out["dead"].rows.tolist() == [row]
    assert dict(out["dead"].headers[0])["streamapp.errors.id"] == f"e{row}".encode()
    assert row not in {r for rows in [*seen.enriched, *seen.scored] for r in rows}


def test_observers_count_late_rows_and_leave_fallbacks_alone() -> None:
    chosen = settings(FALLBACK)
    metrics = Metrics(chosen, variants_of(chosen), new_registry())
    observation = Observation(chosen, variants_of(chosen), metrics)
    assert b'streamapp_late_rows_total{policy="fallback"} 0.0' in metrics.render()
    observation.observe(run(build(chosen, ManualClock(NOW_MS)), batch([5000] * 7 + [0] * 2))[0])
    text = metrics.render().decode()
    assert 'streamapp_late_rows_total{policy="fallback"} 7.0' in text
    assert "streamapp_observed_events_total 9.0" in text
    lines = [line for line in text.splitlines() if line.startswith("streamapp_predictions_total{")]
    assert sum(float(line.split()[-1]) for line in lines) == 2.0
    # Only what a model scored waits for an outcome.
    assert 'streamapp_join_pending_rows{side="predictions"} 2.0' in text
