"""What serves is exchanged a hundred times while batches are prepared and scored in threads of their own."""

import queue
import random
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from streamapp.pipeline import Pipeline
from streamapp.protocols import Prepared, Serving
from streamapp.types import ScoredBatch
from tests.counted_runtime import LOADED
from tests.serving_plans import Folder, plan, records, settings

PLANS = 100
LIMIT_S = 60


class Way:
    """Prepares batches in one thread and scores them in another, in their order, as the worker does."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._queue: queue.Queue[Prepared | None] = queue.Queue(2)
        self._scored = threading.Condition()
        self.stopping = False
        self.revision = 0
        self.batches: list[tuple[Serving, ScoredBatch]] = []

    def prepare(self) -> None:
        try:
            first = 0
            while not self.stopping:
                self._queue.put(self._pipeline.prepare(records(20, first)), timeout=LIMIT_S)
                first += 20
        finally:
            self._queue.put(None, timeout=LIMIT_S)

    def score(self) -> None:
        while (prepared := self._queue.get(timeout=LIMIT_S)) is not None:
            self.batches.append((prepared.serving, self._pipeline.score(prepared)))
            with self._scored:
                self.revision = prepared.serving.revision
                self._scored.notify_all()

    def reaches(self, revision: int) -> None:
        with self._scored:
            assert self._scored.wait_for(lambda: self.revision >= revision, LIMIT_S)


def test_every_row_is_scored_by_the_version_of_what_it_was_prepared_for(
    tmp_path: Path, numbers: Callable[[], Folder]
) -> None:
    draw = random.Random(11)
    with (
        Pipeline.build(settings(runtime="counted"), tmp_path, numbers()) as pipeline,
        ThreadPoolExecutor(2) as threads,
    ):
        builder = pipeline.builder
        assert builder is not None
        way = Way(pipeline)
        running = [threads.submit(way.prepare), threads.submit(way.score)]
        replaced: list[Serving] = []
        try:
            for revision in range(1, PLANS + 1):
                versions = {slot: draw.choice("12345") for slot in ("main", "other", "main-canary", "other-canary")}
                wanted = plan(revision, versions, [draw.random() for _ in versions], [draw.random() for _ in versions])
                replaced.append(pipeline.serve(builder.build(wanted)))
                if draw.random() < 0.2:
                    way.reaches(revision)
                # A batch of a later one was scored, so nobody is on the way to these any more.
                while replaced and replaced[0].revision < way.revision:
                    replaced.pop(0).inferrer.close()
                builder.retire(wanted)
            way.reaches(PLANS)
        finally:
            way.stopping = True
        for each in running:
            each.result(LIMIT_S)
    assert len({serving.revision for serving, _ in way.batches}) >= PLANS // 10
    for serving, scored in way.batches:
        assert scored.variants == serving.variants
        assert not scored.failures
        assert np.array_equal(serving.router.route(scored.events).answers, scored.routes.answers)
        for index, (variant, block) in enumerate(zip(scored.variants, scored.scores, strict=True)):
            assert set(block.values[:, 0]) <= {float(variant.model_version)}
            answered = np.flatnonzero(scored.routes.answers == index)
            assert set(answered) <= set(block.rows)
    # Versions came and went.
    assert sum(LOADED.values()) > 10
