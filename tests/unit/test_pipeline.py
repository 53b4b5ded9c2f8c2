"""The order of the stages, with stages that are simple enough to see through."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import orjson
import pytest

from streamapp.config.settings import PipelineSettings
from streamapp.decode import build_decoder
from streamapp.encode import build_encoder, build_json_encoder
from streamapp.enrich import build_enricher
from streamapp.errors import ConfigError
from streamapp.pipeline import Pipeline
from streamapp.protocols import Serving
from streamapp.route import HashRouter, Share
from streamapp.testing import ManualClock
from streamapp.types import EventBatch, Failure, FeatureBlock, RecordBatch, Routes, ScoreBlock, Variant

FAIL_FROM = 100.0


class Doubler:
    """Scores twice the amount; a row of `FAIL_FROM` and more fails in the variants named."""

    def __init__(self, failing: Sequence[int]) -> None:
        self._failing = failing
        self.batches: list[int] = []

    def infer(self, events: EventBatch, features: Sequence[FeatureBlock]) -> tuple[ScoreBlock, ...]:
        self.batches.append(len(events))
        amounts = np.asarray(events.columns["amount"], np.float64)
        return tuple(self._block(i, block.rows, amounts[block.rows]) for i, block in enumerate(features))

    def _block(self, index: int, rows: Any, amounts: Any) -> ScoreBlock:
        bad = (amounts >= FAIL_FROM) & (index in self._failing)
        failures = {int(row): Failure("infer", "model_error", "too much") for row in rows[bad]}
        return ScoreBlock(rows[~bad], ("score",), 2 * amounts[~bad, None], failures)

    def close(self) -> None:
        return


class Constant:
    """Scores the same for every row."""

    def __init__(self, score: float) -> None:
        self._score = score

    def infer(self, events: EventBatch, features: Sequence[FeatureBlock]) -> tuple[ScoreBlock, ...]:
        return tuple(ScoreBlock(b.rows, ("score",), np.full((len(b.rows), 1), self._score)) for b in features)

    def close(self) -> None:
        return


def pipeline(tmp_path: Any, *, failing: Sequence[int] = (), max_batch_size: int = 1024, **source: str) -> Pipeline:
    variant = {"model": {"name": "m", "path": "m.onnx"}, "inputs": {"x": ["amount"]}}
    variant["outputs"] = {"score": {"tensor": "y"}}
    settings = PipelineSettings.model_validate(
        {
            "name": "p",
            "source": {"topics": ["in"], **source},
            "event": {"id": "id", "fields": {"id": {"dtype": "string"}, "amount": {"dtype": "float64"}}},
            "variants": {"main": {**variant, "weight": 1}, "candidate": {**variant, "shadow": 1}},
            "batching": {"max_batch_size": max_batch_size},
            "predictions": {"topic": "out"},
            "dead_letters": {"topic": "dead"},
        }
    )
    clock = ManualClock()
    return Pipeline(
        settings,
        decoder=build_decoder(settings.source.model_copy(update={"format": "json"}), settings.event, tmp_path),
        router=HashRouter("p", [Share(name, v.weight, v.shadow) for name, v in settings.variants.items()]),
        enricher=build_enricher(None, settings.event, settings.variants, tmp_path, clock),
        inferrer=Doubler(failing),
        encoder=build_encoder(settings),
        readable=build_json_encoder(settings),
        clock=clock,
    )


def event(row: int, amount: float = 1.0) -> dict[str, object]:
    return {"id": f"e{row}", "amount": amount}


def test_each_event_gets_one_answer_or_one_failure_whatever_the_batch_size(tmp_path: Any) -> None:
    events: list[Any] = [event(0), b"not json", event(2, 3.0), '{"id": "e3"}', event(4)]
    for size in (1, 2, 5, 1024):
        result = pipeline(tmp_path, max_batch_size=size).predict(events)
        assert {row: answer["scores"]["score"] for row, answer in result.answers.items()} == {0: 2.0, 2: 6.0, 4: 2.0}
        assert {row: (f.code, f.field) for row, f in result.failures.items()} == {
            1: ("not_json", ""),
            3: ("missing", "amount"),
        }
        assert [result.answers[row]["source"]["offset"] for row in (0, 2, 4)] == [0, 2, 4]


def test_a_shadows_failure_costs_no_answer(tmp_path: Any) -> None:
    result = pipeline(tmp_path, failing=[1]).predict([event(0), event(1, FAIL_FROM)])
    assert sorted(result.answers) == [0, 1]
    assert not result.failures


def test_the_answering_variants_failure_fails_the_row_though_its_shadow_scored_it(tmp_path: Any) -> None:
    result = pipeline(tmp_path, failing=[0]).predict([event(0), event(1, FAIL_FROM)])
    assert sorted(result.answers) == [0]
    assert result.failures[1].code == "model_error"


def test_no_events_no_predictions(tmp_path: Any) -> None:
    result = pipeline(tmp_path).predict([])
    assert not result.answers
    assert not result.failures


def test_an_avro_source_takes_bytes_only(tmp_path: Any) -> None:
    with pytest.raises(ConfigError, match="avro source takes events as bytes"):
        pipeline(tmp_path, format="avro").predict([event(0)])


def serving(
    revision: int, version: str, *, weights: Sequence[float] = (1, 0), names: str = "main candidate"
) -> Serving:
    variants = tuple(Variant(name, "m", version) for name in names.split())
    shares = [Share(variant.name, weight) for variant, weight in zip(variants, weights, strict=True)]
    return Serving(revision, variants, HashRouter("p", shares), Constant(float(revision)))


def records(count: int) -> RecordBatch:
    n = np.arange(count)
    values: list[Any] = [orjson.dumps(event(row)) for row in range(count)]
    return RecordBatch(["in"] * count, n.astype(np.int32), n, n, [None] * count, values, [()] * count)


def test_a_batch_is_answered_by_what_served_when_it_was_prepared(tmp_path: Any) -> None:
    made = pipeline(tmp_path)
    made.serve(serving(1, "1"))
    before = made.prepare(records(3))
    assert made.serve(serving(2, "2", weights=(0, 1))).revision == 1
    after = made.prepare(records(3))
    for prepared, score, version, variant in ((after, 2.0, "2", 1), (before, 1.0, "1", 0)):
        scored = made.score(prepared)
        assert {v.model_version for v in scored.variants} == {version}
        assert set(scored.routes.answers) == {variant}
        assert set(scored.scores[variant].values[:, 0]) == {score}


class Once:
    """Scores until it is closed."""

    def __init__(self, score: float) -> None:
        self._scores = Constant(score)
        self.closed = False

    def infer(self, events: EventBatch, features: Sequence[FeatureBlock]) -> tuple[ScoreBlock, ...]:
        assert not self.closed
        return self._scores.infer(events, features)

    def close(self) -> None:
        self.closed = True


def test_a_renewed_batch_takes_what_serves_now_and_leaves_the_old_to_those_behind_it(tmp_path: Any) -> None:
    made = pipeline(tmp_path)
    old, new = (replace(serving(revision, str(revision)), inferrer=Once(revision)) for revision in (1, 2))
    made.serve(old)
    first, second = made.prepare(records(3)), made.prepare(records(3))
    assert made.renew(first) is first
    made.serve(new)
    third = made.prepare(records(3))
    found = []
    for prepared in (made.renew(first), second, third):
        scored = made.score(prepared)
        found.append((scored.variants[0].model_version, scored.scores[0].values[0, 0], old.inferrer.closed))
    assert found == [("2", 2.0, False), ("1", 1.0, False), ("2", 2.0, True)]


class Swapping(HashRouter):
    """Has another serving served while it routes."""

    swap: Callable[[], object]

    def route(self, events: EventBatch) -> Routes:
        self.swap()
        return super().route(events)


def test_a_swap_while_a_batch_is_prepared_is_for_the_next_one(tmp_path: Any) -> None:
    made = pipeline(tmp_path)
    before, after = serving(1, "1"), serving(2, "2", weights=(0, 1))
    router = Swapping("p", [Share("main", 1), Share("candidate", 0)])
    router.swap = lambda: made.serve(after)
    made.serve(replace(before, router=router))
    prepared = made.prepare(records(3))
    assert (made.serving.revision, prepared.serving.revision) == (2, 1)
    assert made.score(prepared).scores[0].values.tolist() == [[1.0]] * 3


def test_variants_that_the_pipeline_does_not_have_are_refused(tmp_path: Any) -> None:
    made = pipeline(tmp_path)
    for names in ("main other", "candidate main", "main"):
        with pytest.raises(ConfigError, match="the pipeline has main, candidate"):
            made.serve(serving(1, "1", names=names, weights=[1] * len(names.split())))
    assert made.serving.revision == 0


def test_wirings_that_the_pipeline_does_not_have_are_refused(tmp_path: Any) -> None:
    made = pipeline(tmp_path)
    made.serve(serving(1, "1"))
    wired = made.serving.variants
    with pytest.raises(ConfigError, match="there are main, candidate"):
        made.serve(replace(serving(2, "1"), variants=(wired[0], replace(wired[1], wiring="other"))))
    made.serve(replace(serving(2, "1"), variants=(replace(wired[0], wiring="candidate"), wired[1])))
    assert made.serving.revision == 2
