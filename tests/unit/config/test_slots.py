from collections.abc import Callable

import pytest

from streamapp.config.settings import PipelineSettings
from streamapp.config.slots import slots_of

Make = Callable[..., PipelineSettings]


@pytest.fixture
def make() -> Make:
    def settings(control: bool, **models: str) -> PipelineSettings:
        def variant(model: str) -> dict[str, object]:
            outputs = {"score": {"tensor": "y"}}
            return {
                "model": {"name": model, "path": "m.onnx"},
                "inputs": {"x": ["id"]},
                "outputs": outputs,
                "weight": 1,
            }

        return PipelineSettings.model_validate(
            {
                "name": "p",
                "source": {"topics": ["in"]},
                "event": {"id": "id", "fields": {"id": {"dtype": "string"}}},
                "variants": {name: variant(model) for name, model in models.items()},
                "predictions": {"topic": "out"},
                "dead_letters": {"topic": "dead"},
                "control": {"registry": "models"} if control else None,
            }
        )

    return settings


def test_without_control_the_declared_variants_are_the_slots(make: Make) -> None:
    assert list(slots_of(make(False, b="m", a="n")).items()) == [("b", "b"), ("a", "a")]


def test_under_control_a_lone_variant_of_a_model_has_a_canary(make: Make) -> None:
    slots = slots_of(make(True, b="m", old="n", new="n", a="k"))
    declared = [(name, name) for name in ("b", "old", "new", "a")]
    assert list(slots.items()) == [*declared, ("b-canary", "b"), ("a-canary", "a")]
