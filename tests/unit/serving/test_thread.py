"""Building beside what runs, and stopping meanwhile."""

import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from streamapp.errors import ModelLoadError
from streamapp.pipeline import Pipeline
from streamapp.serving import in_thread
from tests import counted_runtime
from tests.serving_plans import Folder, plan, settings

LIMIT_S = 20


def test_what_a_build_gives_or_raises_comes_back(pipeline: Pipeline) -> None:
    assert pipeline.builder is not None
    assert in_thread(partial(pipeline.builder.build, plan(3, {"main": "2"}))).result(LIMIT_S).revision == 3
    with pytest.raises(ModelLoadError, match="version `9`"):
        in_thread(partial(pipeline.builder.build, plan(4, {"main": "9"}))).result(LIMIT_S)


def test_closing_does_not_wait_for_a_build_which_closes_what_it_loads(
    tmp_path: Path, numbers: Callable[[], Folder]
) -> None:
    pipeline = Pipeline.build(settings(runtime="counted"), tmp_path, numbers())
    assert pipeline.builder is not None
    counted_runtime.GATE.clear()
    counted_runtime.WAITING.clear()
    future = in_thread(partial(pipeline.builder.build, plan(1, {"main": "2", "other": "2"})))
    assert counted_runtime.WAITING.wait(LIMIT_S)
    pipeline.close()
    assert not +counted_runtime.OPEN
    counted_runtime.GATE.set()
    with pytest.raises(ModelLoadError, match="the pipeline was closed"):
        future.result(LIMIT_S)
    assert counted_runtime.LOADED["m-2"] == 1  # It was loaded, and is closed: the fixture looks.
    assert "o-2" not in counted_runtime.LOADED


def test_going_back_does_not_wait_for_a_new_version_that_hangs(tmp_path: Path, numbers: Callable[[], Folder]) -> None:
    with Pipeline.build(settings(runtime="counted"), tmp_path, numbers()) as pipeline:
        builder = pipeline.builder
        assert builder is not None
        counted_runtime.GATE.clear()
        counted_runtime.WAITING.clear()
        hanging = in_thread(partial(builder.build, plan(1, {"main": None, "main-canary": "2"})))
        assert counted_runtime.WAITING.wait(LIMIT_S)
        assert in_thread(partial(builder.build, plan(2, {"main": "1"}))).result(LIMIT_S).revision == 2
        assert not hanging.done()
        counted_runtime.GATE.set()
        assert hanging.result(LIMIT_S).revision == 1


ENDING = """
import sys
from pathlib import Path
from streamapp.pipeline import Pipeline
from streamapp.serving import in_thread
from tests import counted_runtime
from tests.serving_plans import Folder, plan, settings

base = Path(sys.argv[1])
registry = Folder(base, "counted")
for model in ("m", "o"):
    registry.put(model, "1", b"1"), registry.put(model, "2", b"2")
with counted_runtime.installed(base), Pipeline.build(settings(runtime="counted"), base, registry) as pipeline:
    counted_runtime.GATE.clear()
    counted_runtime.WAITING.clear()
    in_thread(lambda: pipeline.builder.build(plan(1, {"main": "2"})))
    counted_runtime.WAITING.wait()
print("ended")
"""


def test_a_build_that_hangs_keeps_no_process(tmp_path: Path) -> None:
    root = Path(__file__).parents[3]
    done = subprocess.run(
        [sys.executable, "-c", ENDING, str(tmp_path)], cwd=root, capture_output=True, text=True, timeout=LIMIT_S
    )
    assert (done.stdout, done.stderr, done.returncode) == ("ended\n", "", 0)
