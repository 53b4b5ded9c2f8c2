"""Plans to servings, with real ONNX models."""

import pickle
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from river import linear_model

from streamapp.buckets import deal
from streamapp.errors import ContractError, ControlError, DependencyError, ModelError, ModelLoadError
from streamapp.pipeline import Pipeline
from streamapp.protocols import Artefact, Prepared, Serving, Signature, TensorSpec
from streamapp.route import BUCKETS
from streamapp.serving import ServingBuilder, declared_plan
from streamapp.serving.stock import LaneKey
from streamapp.testing import check_runtime
from streamapp.types import ScoredBatch, ServingPlan, Tenant, Variant
from tests.counted_runtime import LOADED, Constant
from tests.onnx_models import onnx_model
from tests.serving_plans import SLOTS, Folder, plan, records, settings

FILE = frozenset({LaneKey("main", "1"), LaneKey("other", "1")})
NO_FEATURES: dict[str, tuple[str, ...]] = {"main": (), "other": ()}


def builder_of(pipeline: Pipeline) -> ServingBuilder:
    assert pipeline.builder is not None
    return pipeline.builder


def score(pipeline: Pipeline, serving: Serving, count: int = 8) -> ScoredBatch:
    pipeline.serve(serving)
    return pipeline.score(pipeline.prepare(records(count)))


def test_the_pipeline_file_is_served_first_and_canaries_are_empty(pipeline: Pipeline, registry: Folder) -> None:
    models = {"main": ("m", "1"), "other": ("o", "1"), "main-canary": ("m", "1"), "other-canary": ("o", "1")}
    wired = {slot: slot.removesuffix("-canary") for slot in models}
    assert pipeline.serving.variants == tuple(Variant(slot, *model, wired[slot]) for slot, model in models.items())
    answers = pipeline.predict([{"id": str(i), "amount": 2.0} for i in range(200)]).answers
    assert {(a["variant"], *a["scores"].items()) for a in answers.values()} == {
        ("main", ("score", 12.0)),
        ("other", ("size", 112.0)),
    }
    assert 0.6 < sum(a["variant"] == "main" for a in answers.values()) / 200 < 0.9
    assert (builder_of(pipeline).loaded, registry.fetched) == (FILE, [])


def test_another_version_is_fetched_and_answers_by_its_name(pipeline: Pipeline, registry: Folder) -> None:
    build = builder_of(pipeline).build
    found = score(pipeline, build(plan(7, {"main": None, "main-canary": "3"}, (0, 0, 1, 0), (1, 0, 0, 0))))
    assert pipeline.serving.revision == 7
    assert found.variants[2] == Variant("main-canary", "m", "3", "main")
    assert [variant.wiring for variant in found.variants] == ["main", "other", "main", "other"]
    assert set(found.routes.answers) == {2}
    assert [block.values.tolist() for block in found.scores] == [[[12.0]] * 8, [], [[32.0]] * 8, []]
    assert registry.fetched == [("m", "3")]
    # As often as it is served.
    again = score(pipeline, build(plan(8, {"main": "3", "main-canary": "3"})))
    assert [block.values.tolist() for block in again.scores] == [[[32.0]] * 8, [], [], []]
    assert registry.fetched == [("m", "3")]


def test_a_format_without_a_signature_has_that_of_its_version(tmp_path: Path) -> None:
    champion = onnx.load_from_string(onnx_model(10.0))
    champion.graph.node[-1].output[0] = champion.graph.output[0].name = "predictions"
    (tmp_path / "m-1.onnx").write_bytes(champion.SerializeToString())
    river = linear_model.LinearRegression(intercept_init=5.0)
    content = pickle.dumps(river)
    (tmp_path / "model.river").write_bytes(content)

    class Versions:
        def fetch(self, model: str, version: str) -> Artefact:
            signature = Signature((TensorSpec("x", "float64", (None,)),), ())
            return Artefact(tmp_path / "model.river", sha256(content).hexdigest(), "river", signature)

    main = {
        "model": {"name": "m", "version": "1", "path": "m-1.onnx"},
        "weight": 1,
        "inputs": {"x": ["amount"]},
        "outputs": {"score": {"tensor": "predictions"}},
    }
    with Pipeline.build(settings(variants={"main": main}), tmp_path, Versions()) as pipeline:
        assert {value for (value,) in score(pipeline, pipeline.serving).scores[0].values} == {12.0}
        wanted = ServingPlan(1, {"main": Tenant("main", "9")}, deal([1, 0]), (0.0, 0.0))
        assert {value for (value,) in score(pipeline, builder_of(pipeline).build(wanted)).scores[0].values} == {5.0}


def test_a_variant_can_be_wired_as_another(pipeline: Pipeline) -> None:
    wired = replace(plan(1, {"main": None}), tenants={"main": Tenant("other", "2")})
    found = score(pipeline, builder_of(pipeline).build(wired))
    assert found.variants[0] == Variant("main", "o", "2", "other")
    assert (found.scores[0].names, found.scores[0].values[0, 0]) == (("size",), 122.0)


def test_the_version_that_the_file_gives_needs_no_registry(tmp_path: Path, registry: Folder) -> None:
    builder = ServingBuilder(settings(ending=".onnx"), tmp_path, NO_FEATURES)
    builder.build(plan(1, {"main": "1", "main-canary": None}, shadows=(0, 0, 1, 0)))
    assert builder.loaded == FILE
    with pytest.raises(ModelLoadError, match="no registry to fetch another from; add `control:`"):
        builder.build(plan(2, {"main": "2"}))
    builder.close()
    assert (builder.loaded, registry.fetched) == (frozenset(), [])


GOOD = plan(4, {"main": "1", "other": "1"})


def owners(index: int, dtype: Any = np.int16, size: int = BUCKETS) -> np.ndarray:
    return np.full(size, index, dtype)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (
            {"tenants": {"main": Tenant("main"), "new": Tenant("main")}},
            "no variant `new`; the pipeline has main, other",
        ),
        ({"tenants": {"main": Tenant("mian")}}, "`main` is to be wired as `mian`, but .* declares main, other"),
        ({"tenants": {"other": Tenant("other"), "main": Tenant("main")}}, "are other, main: write them as main, other"),
        ({"owners": owners(0, size=9_999)}, "who owns 9999 buckets as int16; there are 10000"),
        ({"owners": owners(0, np.int64)}, "10000 buckets as int64"),
        ({"owners": owners(4)}, "owned by variant number 4 of 4"),
        ({"owners": owners(-1)}, "owned by variant number -1 of 4"),
        ({"owners": owners(2)}, "`main-canary` owns buckets but has no tenant; give it one"),
        ({"shadows": (0, 0, 0)}, "3 shadow shares for 4 variants"),
        ({"shadows": (0, 1.5, 0, 0)}, "`other` is to shadow a share of 1.5"),
        ({"shadows": (float("nan"), 0, 0, 0)}, "`main` is to shadow a share of nan"),
        ({"shadows": (0, 0, 0, 0.1)}, "`other-canary` is to shadow but has no tenant"),
    ],
)
def test_a_plan_that_does_not_add_up_is_refused_and_says_why(
    pipeline: Pipeline, change: dict[str, Any], why: str
) -> None:
    builder, bad = builder_of(pipeline), replace(GOOD, **change)
    for refuse in (builder.build, builder.retire):
        with pytest.raises(ControlError, match=f"revision 4 of the control log cannot be served: .*{why}"):
            refuse(bad)
    assert builder.loaded == FILE
    assert score(pipeline, builder.build(GOOD)).scores[0].values[0, 0] == 12.0


def tampered(registry: Folder) -> None:
    (registry.path / "m-2.onnx").write_bytes(onnx_model(0.5))


@pytest.mark.parametrize(
    ("breaking", "kind", "why"),
    [
        (tampered, ModelLoadError, "SHA-256 is"),
        (lambda r: r.put("m", "2", b"no model", ".onnx"), ModelLoadError, "not an ONNX model"),
        (
            lambda r: r.put("m", "2", onnx_model(1, width=2), ".onnx"),
            ContractError,
            r"do not match.*float32\[rows, 2",
        ),
        (lambda r: (r.path / "m-2.onnx").unlink(), ModelLoadError, "no such file"),
    ],
)
def test_a_version_that_cannot_serve_is_named_and_changes_nothing(
    pipeline: Pipeline, registry: Folder, breaking: Callable[[Folder], object], kind: type[ModelError], why: str
) -> None:
    breaking(registry)
    builder, serving = builder_of(pipeline), pipeline.serving
    # The other new version is sound, loaded before, and not kept either.
    wanted = plan(1, {"main": None, "other": "2", "main-canary": "2"})
    with pytest.raises(kind, match=f"(?s)^variant `main-canary`, model `m` version `2`: .*{why}"):
        builder.build(wanted)
    with pytest.raises(
        ModelLoadError, match="variant `other`, model `o` version `9`: the registry has no such version"
    ):
        builder.build(plan(2, {"main": None, "other": "9"}))
    assert registry.fetched == [("o", "2"), ("m", "2"), ("o", "9")]
    assert (builder.loaded, pipeline.serving) == (FILE, serving)
    assert pipeline.predict([{"id": "a", "amount": 2.0}]).answers


def test_a_version_has_to_fit_what_the_feature_service_really_gives(tmp_path: Path, registry: Folder) -> None:
    registry.put("m", "1", onnx_model(1, width=2), ".onnx")
    chosen = settings(ending=".onnx")
    main = chosen.variants["main"].model_copy(update={"inputs": {"x": ("amount", "w:a")}, "feature_service": "s"})
    chosen = chosen.model_copy(update={"variants": {**chosen.variants, "main": main}})
    for names, fits in ((("w:b", "w:a"), True), (("w:b",), False)):
        builder = ServingBuilder(chosen, tmp_path, {**NO_FEATURES, "main": names})
        if fits:
            builder.build(declared_plan(chosen))
        else:
            with pytest.raises(ContractError, match="w:a"):
                builder.build(declared_plan(chosen))
        assert bool(builder.loaded) == fits
        builder.close()


def test_the_runtime_that_counts_is_one() -> None:
    check_runtime(Constant("sample", 3.0), {"x": np.ones((2, 1), np.float32)})


def test_a_model_is_closed_when_nobody_needs_it(tmp_path: Path, numbers: Callable[[], Folder]) -> None:
    builder = ServingBuilder(settings(runtime="counted"), tmp_path, NO_FEATURES, numbers())
    first, second = declared_plan(settings()), plan(2, {"main": "2", "main-canary": "1"})
    old, new = builder.build(first), builder.build(second)
    both = FILE | {LaneKey("main", "2")}
    builder.retire()
    assert builder.loaded == both  # Both are open.
    old.inferrer.close()
    old.inferrer.close()
    builder.retire()
    assert builder.loaded == both  # What is new shares the old one's lanes, and its empty variants too.
    new.inferrer.close()
    assert builder.loaded == both  # Until it is said otherwise.
    builder.retire(first)
    assert builder.loaded == FILE
    builder.build(first)
    assert LOADED == {"m-1": 1, "m-2": 1, "o-1": 1}
    builder.close()
    with pytest.raises(ModelLoadError, match="the pipeline was closed"):
        builder.build(first)


@pytest.mark.parametrize("fault", ["BROKEN", "HUNGRY"])
def test_a_model_that_broke_on_trial_is_told_of_until_it_is_forgiven(
    tmp_path: Path, numbers: Callable[[], Folder], monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    candidate, other = Tenant("main", "2"), Tenant("main", "3")
    with Pipeline.build(settings(runtime="counted"), tmp_path, numbers()) as pipeline:
        builder = builder_of(pipeline)
        trial = replace(plan(1, {"main": None, "main-canary": "2"}, (0, 0, 1, 0)), trials=frozenset({"main-canary"}))
        score(pipeline, builder.build(trial))
        assert builder.broken(candidate) == ""
        with monkeypatch.context() as patch:
            patch.setattr(f"tests.counted_runtime.{fault}", {"m-2"})
            assert len(score(pipeline, builder.build(trial)).failures) == 8
        builder.forgive(other)
        assert builder.broken(candidate)
        builder.forgive(candidate)
        assert builder.broken(candidate) == ""
        assert score(pipeline, builder.build(trial)).failures == {}


def test_a_shadow_that_runs_out_of_memory_costs_no_answer_and_a_champion_is_waited_for(
    tmp_path: Path, numbers: Callable[[], Folder], monkeypatch: pytest.MonkeyPatch
) -> None:
    shadowed = plan(1, {"main": "1", "main-canary": "2"}, (1, 0, 0, 0), (0, 0, 1, 0))
    with Pipeline.build(settings(runtime="counted"), tmp_path, numbers()) as pipeline:
        builder = builder_of(pipeline)
        serving, again = builder.build(shadowed), builder.build(shadowed)
        monkeypatch.setattr("tests.counted_runtime.HUNGRY", {"m-2"})
        found = score(pipeline, serving)
        assert (found.failures, len(found.scores[2].failures)) == ({}, 8)
        assert builder.broken(Tenant("main", "2")) == "m-2 ran out of memory"
        monkeypatch.setattr("tests.counted_runtime.HUNGRY", {"m-1"})
        with pytest.raises(DependencyError, match="m-1 ran out of memory"):
            score(pipeline, again)


def test_scoring_by_what_was_closed_is_refused(pipeline: Pipeline) -> None:
    serving = builder_of(pipeline).build(plan(1, {"main": "2"}))
    pipeline.serve(serving)
    prepared: Prepared = pipeline.prepare(records(1))
    serving.inferrer.close()
    with pytest.raises(ModelError, match="closed while a batch was still to be scored"):
        pipeline.score(prepared)


def test_a_pipeline_that_cannot_be_built_leaves_nothing_open(tmp_path: Path, numbers: Callable[[], Folder]) -> None:
    numbers().put("o", "1", b"no number")
    with pytest.raises(ModelLoadError, match="variant `other`, model `o` version `1`"):
        Pipeline.build(settings(runtime="counted"), tmp_path)
    assert LOADED == {"m-1": 1}


def test_without_control_there_are_no_canaries(tmp_path: Path, registry: Folder) -> None:
    with Pipeline.build(settings(control=False, ending=".onnx"), tmp_path) as built:
        assert [variant.name for variant in built.serving.variants] == list(SLOTS[:2])
        with pytest.raises(ControlError, match="4 shadow shares for 2 variants"):
            builder_of(built).build(plan(1, {"main": None}))
