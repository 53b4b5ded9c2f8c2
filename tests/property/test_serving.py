"""Whatever is served after whatever: the models that are needed are loaded, each once, and no others."""

from collections.abc import Iterator, Mapping
from contextlib import closing

import hypothesis
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from streamapp.errors import ControlError, ModelLoadError
from streamapp.protocols import Serving
from streamapp.serving import ServingBuilder
from streamapp.serving.stock import LaneKey
from streamapp.types import ServingPlan
from tests import counted_runtime
from tests.serving_plans import SLOTS, WIRINGS, Folder, plan, settings

SETTINGS = settings(runtime="counted")
VERSIONS = ("1", "2", "3")
MODELS = {"main": "m", "other": "o"}
Choice = Mapping[str, str | None]

# A slot that is not there is empty; 9 is in no registry and 4 is damaged.
choices = st.fixed_dictionaries({}, optional=dict.fromkeys(SLOTS, st.sampled_from([None, *VERSIONS, "4", "9"])))
steps = st.lists(st.tuples(choices, st.integers(0, 3), st.booleans(), st.booleans()), max_size=8)


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Folder]:
    base = tmp_path_factory.mktemp("registry")
    folder = Folder(base, "counted")
    for model in MODELS.values():
        for version in VERSIONS:
            folder.put(model, version, version.encode())
        folder.put(model, "4", b"damaged")
    with counted_runtime.installed(base):
        yield folder


def needed(choice: Choice) -> set[LaneKey]:
    return {LaneKey(WIRINGS[slot], choice.get(slot) or "1") for slot in SLOTS}


def opened() -> dict[str, int]:
    return dict(+counted_runtime.OPEN)


def wanted_by(revision: int, choice: Choice) -> ServingPlan:
    """Who has a tenant owns buckets; without any `main` does, which is refused."""
    return plan(revision, choice, [1 if slot in choice else 0 for slot in SLOTS] if choice else (1, 0, 0, 0))


@example([({"main": "2"}, 1, False, False), ({"main": "3"}, 1, True, True), ({"main": "1"}, 1, True, False)])
@given(steps)
@hypothesis.settings(deadline=None, max_examples=60)
def test_what_is_needed_is_loaded_once_and_nothing_else(
    registry: Folder, steps: list[tuple[Choice, int, bool, bool]]
) -> None:
    """Each step builds a plan, closes the oldest servings down to a number, and may retire, keeping the last good
    plan or nothing but what is open."""
    counted_runtime.OPEN.clear()
    serving: list[tuple[Choice, Serving]] = []
    last_good: list[tuple[Choice, ServingPlan]] = []
    with closing(ServingBuilder(SETTINGS, registry.path, {"main": (), "other": ()}, registry)) as builder:
        for revision, (choice, open_servings, retires, keeps) in enumerate(steps):
            before, wanted = builder.loaded, wanted_by(revision, choice)
            try:
                serving.append((choice, builder.build(wanted)))
            except (ModelLoadError, ControlError):
                assert not choice or {"4", "9"} & set(choice.values())
                assert builder.loaded == before
            else:
                assert builder.loaded == before | needed(choice)
                last_good = [(choice, wanted)]
            while len(serving) > open_servings:
                serving.pop(0)[1].inferrer.close()
            if retires:
                keep = last_good if keeps else []
                there = builder.loaded
                builder.retire(*(each for _, each in keep))
                kept = {key for held, _ in keep for key in needed(held)} & there
                assert builder.loaded == kept.union(*(needed(held) for held, _ in serving))
            assert opened() == {f"{MODELS[key.wiring]}-{key.version}": 1 for key in builder.loaded}
    assert opened() == {}
