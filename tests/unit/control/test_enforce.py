"""What serves follows the plan, with real models."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from streamapp.buckets import deal
from streamapp.control.enforce import Enforcer
from streamapp.pipeline import Pipeline
from streamapp.types import ServingPlan, Tenant
from tests.onnx_models import onnx_model
from tests.serving_plans import WIRINGS, Folder, plan, settings


@pytest.fixture
def pipeline(tmp_path: Path) -> Iterator[Pipeline]:
    """Version v of `m` scores the amount, 2, plus 10 v."""
    registry = Folder(tmp_path)
    for version in ("1", "2"):
        registry.put("m", version, onnx_model(10.0 * int(version)), ".onnx")
    registry.put("o", "1", onnx_model(110.0), ".onnx")
    with Pipeline.build(settings(ending=".onnx"), tmp_path, registry) as built:
        yield built


@pytest.fixture
def enforcer(pipeline: Pipeline) -> Enforcer:
    assert pipeline.builder is not None
    return Enforcer(pipeline.builder, pipeline.serve, {slot: Tenant(wiring) for slot, wiring in WIRINGS.items()})


def answers(pipeline: Pipeline) -> dict[str, set[float]]:
    """Variant -> scores of what it answers."""
    found: dict[str, set[float]] = {}
    for answer in pipeline.predict([{"id": str(i), "amount": 2.0} for i in range(100)]).answers.values():
        found.setdefault(answer["variant"], set()).update(answer["scores"].values())
    return found


async def test_a_plan_with_a_variant_that_the_file_lacks_is_followed_but_for_that(pipeline, enforcer):
    newer = ServingPlan(
        2,
        {"new": Tenant("new"), "main": Tenant("main", "2"), "other": Tenant("other"), "main-canary": Tenant("new")},
        deal([1, 1, 1, 1]),
        (0.0, 1.0, 0.0, 1.0),
        frozenset({"main-canary"}),
    )
    enforcer.aim(plan(1, dict.fromkeys(WIRINGS), (3, 1, 0, 0)))
    await enforcer.settled()
    enforcer.aim(newer)
    await enforcer.settled()
    assert answers(pipeline) == {"main": {22.0}, "other": {112.0}}
    assert [(each.variant, each.tenant.wiring) for each in enforcer.failed] == [("new", "new"), ("main-canary", "new")]
    assert enforcer.failed[1].reason.startswith("variant `main-canary`, wired like `new`, is not in this worker's")
    await enforcer.tidy()
    enforcer.aim(plan(3, dict.fromkeys(WIRINGS), (0, 1, 0, 0)))
    await enforcer.settled()
    assert (answers(pipeline), enforcer.failed, enforcer.revision) == ({"other": {112.0}}, (), 3)
    await enforcer.close()
