"""Shadows against what was answered, with numbers worked out by hand. Scores are dyadic, so that sums are exact."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streamapp.config.settings import PipelineSettings
from streamapp.demo.scrape import Scrape
from streamapp.observe.families import FAMILIES
from streamapp.observe.metrics import Metrics, new_registry
from streamapp.types import Failure, Routes, ScoreBlock, ScoredBatch, Variant

Make = Callable[..., PipelineSettings]
Batch = Callable[..., ScoredBatch]
Scores = Mapping[int, float]

THREE = (Variant("a", "m", "1"), Variant("b", "m", "2"), Variant("c", "m", "3"))
NAN = Failure("infer", "not_finite", "the model gave nan")


@pytest.fixture
def metrics(pipeline: Make) -> Callable[..., Metrics]:
    """Of variants a, b and c, which give the scores that are said of them."""

    def make(outputs: Sequence[str] = ("late", "late", "late"), **sections: Any) -> Metrics:
        declared = {
            variant.name: {
                "model": {"name": "m", "version": variant.model_version, "path": "m.onnx"},
                "weight": 1.0,
                "inputs": {"x": ["distance"]},
                "outputs": {score: {"tensor": "p", "column": i} for i, score in enumerate(names.split())},
            }
            for variant, names in zip(THREE, outputs, strict=True)
        }
        return Metrics(pipeline(variants=declared, **sections), THREE, new_registry())

    return make


@pytest.fixture
def batch(scored_batch: Batch) -> Callable[..., ScoredBatch]:
    """Rows answered by the variants of `answers`; per variant row -> score, and row -> failure."""

    def make(
        answers: Sequence[int],
        *scores: Scores,
        names: Sequence[str] = ("late", "late", "late"),
        failures: Mapping[int, Sequence[int]] | None = None,
    ) -> ScoredBatch:
        plain = scored_batch(len(answers))
        failed = failures or {}
        blocks = tuple(
            ScoreBlock(
                np.array(sorted(said), np.int64),
                tuple(given.split()),
                np.array([[said[row]] * len(given.split()) for row in sorted(said)]).reshape(
                    len(said), len(given.split())
                ),
                dict.fromkeys(failed.get(index, ()), NAN),
                0.004,
            )
            for index, (said, given) in enumerate(zip(scores, names, strict=True))
        )
        lost = {row: NAN for index, rows in failed.items() for row in rows if answers[row] == index}
        routes = Routes(np.array(answers, np.int16), tuple(block.rows for block in blocks))
        features = (plain.features[0], plain.features[1], plain.features[1])
        return replace(plain, variants=THREE, routes=routes, features=features, scores=blocks, failures=lost)

    return make


def scrape(metrics: Metrics) -> Scrape:
    return Scrape(metrics.render().decode())


def shadow(page: Scrape, family: str, variant: str, answered_by: str, **more: str) -> float:
    return page.total(f"streamapp_shadow_{family}", variant=variant, answered_by=answered_by, **more)


def test_a_shadow_is_compared_with_what_was_answered(metrics: Callable[..., Metrics], batch: Batch) -> None:
    made = metrics()
    champion = {0: 0.125, 1: 0.375, 2: 0.625, 3: 0.875}
    challenger = {0: 0.125, 1: 0.625, 2: 0.6328125, 3: 0.25, 4: 0.5, 5: 0.5}
    made.scored(batch([0, 0, 0, 0, 1, 1], champion, challenger, {}))
    page = scrape(made)
    # Apart by 0, 0.25, 0.0078125 and 0.625; rows 0 and 2 are decided alike; rows 4 and 5 it answered itself.
    assert shadow(page, "compared_rows_total", "b", "a") == 4
    assert shadow(page, "agreeing_rows_total", "b", "a") == 2
    buckets = {"0.0": 1, "0.005": 1, "0.01": 2, "0.1": 2, "0.25": 3, "0.5": 3, "1.0": 4, "+Inf": 4}
    assert {le: shadow(page, "score_difference_bucket", "b", "a", le=le) for le in buckets} == buckets
    assert shadow(page, "score_difference_sum", "b", "a") == 0.8828125
    rows = {name: page.total("streamapp_shadow_rows_total", variant=name) for name in "abc"}
    assert rows == {"a": 0, "b": 4, "c": 0}
    assert page.total("streamapp_scored_rows_total", variant="b") == 6
    made.scored(batch([0, 0, 0, 0, 1, 1], champion, challenger, {}))
    assert shadow(scrape(made), "compared_rows_total", "b", "a") == 8


def test_a_decision_turns_at_a_half(metrics: Callable[..., Metrics], batch: Batch) -> None:
    made = metrics()
    answered, said = {0: 0.5, 1: 0.5, 2: 0.25, 3: 0.75}, {0: 0.75, 1: 0.4375, 2: 0.4375, 3: 0.5}
    made.scored(batch([0, 0, 0, 0], answered, said, {}))
    assert shadow(scrape(made), "agreeing_rows_total", "b", "a") == 3


def test_two_shadows_of_one_row_are_each_compared_with_the_answer(
    metrics: Callable[..., Metrics], batch: Batch
) -> None:
    made = metrics()
    made.scored(batch([0, 1], {0: 0.5}, {0: 0.25, 1: 0.5}, {0: 1.0, 1: 0.75}))
    page = scrape(made)
    sums = {
        (said, answered): shadow(page, "score_difference_sum", said, answered) for said in "abc" for answered in "abc"
    }
    found = {pair: value for pair, value in sums.items() if value}
    assert found == {("b", "a"): 0.25, ("c", "a"): 0.5, ("c", "b"): 0.25}
    assert page.total("streamapp_shadow_compared_rows_total") == 3


def test_what_either_failed_on_is_not_compared(metrics: Callable[..., Metrics], batch: Batch) -> None:
    made = metrics()
    # b's model gives NaN for row 1, a's for row 2, both for row 3: rows 2 and 3 are dead letters.
    failures = {0: [2, 3], 1: [1, 3]}
    made.scored(batch([0, 0, 0, 0], {0: 0.5, 1: 0.5}, {0: 0.75, 2: 0.75}, {}, failures=failures))
    page = scrape(made)
    assert shadow(page, "compared_rows_total", "b", "a") == 1
    assert shadow(page, "score_difference_sum", "b", "a") == 0.25
    assert page.total("streamapp_shadow_rows_total", variant="b") == 2
    assert page.total("streamapp_shadow_failures_total", variant="b") == 2
    assert page.total("streamapp_shadow_failures_total", variant="a") == 0
    assert page.total("streamapp_failed_rows_total", variant="a") == 2
    assert page.total("streamapp_failed_rows_total", variant="b") == 2


def test_scores_of_other_names_are_not_compared(metrics: Callable[..., Metrics], batch: Batch) -> None:
    names = ("late", "minutes", "late")
    made = metrics(names)
    made.scored(batch([0], {0: 0.5}, {0: 38.0}, {0: 0.25}, names=names))
    page = scrape(made)
    assert page.total("streamapp_shadow_rows_total", variant="b") == 1
    assert not page.has("streamapp_shadow_compared_rows_total", variant="b")
    assert not page.has("streamapp_shadow_compared_rows_total", answered_by="b")
    assert shadow(page, "compared_rows_total", "c", "a") == 1


@pytest.mark.parametrize(("outcomes", "difference"), [({}, 2.0), ({"outcomes": None}, 4.0)])
def test_the_judged_score_goes_before_the_first_one_of_the_answer(
    metrics: Callable[..., Metrics], batch: Batch, outcomes: dict[str, Any], difference: float
) -> None:
    names = ("size late", "late size", "late")
    made = metrics(names, **outcomes)
    plain = batch([0], {0: 0.0}, {0: 0.0}, {}, names=names)
    # a says size 1 and late 0, b says late 2 and size 5.
    said = (np.array([[1.0, 0.0]]), np.array([[2.0, 5.0]]), np.empty((0, 1)))
    blocks = tuple(replace(block, values=values) for block, values in zip(plain.scores, said, strict=True))
    made.scored(replace(plain, scores=blocks))
    assert shadow(scrape(made), "score_difference_sum", "b", "a") == difference


def test_scores_of_a_regression_differ_but_decide_nothing(metrics: Callable[..., Metrics], batch: Batch) -> None:
    made = metrics(outcomes={"topic": "t", "id": "id", "label": "l", "score": "late", "task": "regression"})
    made.scored(batch([0], {0: 40.0}, {0: 28.0}, {}))
    page = scrape(made)
    assert shadow(page, "score_difference_sum", "b", "a") == 12.0
    assert shadow(page, "compared_rows_total", "b", "a") == 1
    assert not page.has("streamapp_shadow_agreeing_rows_total")


def test_a_difference_beyond_float64_is_in_the_last_bucket(metrics: Callable[..., Metrics], batch: Batch) -> None:
    made = metrics()
    made.scored(batch([0], {0: -1.7e308}, {0: 1.7e308}, {}))
    page = scrape(made)
    assert shadow(page, "score_difference_bucket", "b", "a", le="1000.0") == 0
    assert shadow(page, "score_difference_bucket", "b", "a", le="+Inf") == 1


def test_the_models_own_time_is_of_variants_that_scored(metrics: Callable[..., Metrics], batch: Batch) -> None:
    made = metrics()
    made.scored(batch([0, 0], {0: 0.5, 1: 0.5}, {0: 0.5}, {}))
    page = scrape(made)
    assert page.total("streamapp_model_seconds_bucket", variant="b", le="0.0025") == 0
    assert page.total("streamapp_model_seconds_bucket", variant="b", le="0.005") == 1
    assert page.total("streamapp_model_seconds_sum", variant="a") == 0.004
    assert not page.has("streamapp_model_seconds_count", variant="c")


def test_counters_that_can_move_start_at_zero(metrics: Callable[..., Metrics]) -> None:
    page = scrape(metrics(("late", "late", "minutes")))
    for family in ("compared_rows_total", "agreeing_rows_total"):
        samples = [s for s in page.samples if s.name == f"streamapp_shadow_{family}"]
        assert {(s.labels["variant"], s.labels["answered_by"]) for s in samples} == {("a", "b"), ("b", "a")}
        assert {s.value for s in samples} == {0}


def test_another_wiring_is_compared_by_its_own_scores(metrics: Callable[..., Metrics], batch: Batch) -> None:
    names = ("late", "late", "minutes")
    made = metrics(names)
    wired = (THREE[0], THREE[1], replace(THREE[2], wiring="b"))
    made.scored(replace(batch([0], {0: 0.5}, {}, {0: 0.75}), variants=wired))
    assert shadow(scrape(made), "score_difference_sum", "c", "a") == 0.25


def test_the_documentation_names_the_bins() -> None:
    text = (Path(__file__).parents[3] / "docs" / "metrics.md").read_text()
    said = text.partition("Differences are counted up to ")[2].partition(" and beyond")[0]
    named = tuple(float(number) for number in re.findall(r"\d[\d.e-]*", said))
    assert named == FAMILIES["streamapp_shadow_score_difference"].bounds
