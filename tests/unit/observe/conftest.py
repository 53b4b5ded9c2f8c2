from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pytest

from streamapp.config.settings import PipelineSettings
from streamapp.types import EventBatch, Failure, FeatureBlock, RecordBatch, Routes, ScoreBlock, ScoredBatch, Variant

VARIANTS = (Variant("champion", "flights", "1"), Variant("challenger", "flights", "2"))
FEATURES = tuple(f"weather:f{i}" for i in range(8))
FIELDS = ("distance", "hour", "delay")


@pytest.fixture
def variants() -> tuple[Variant, ...]:
    return VARIANTS


@pytest.fixture
def pipeline() -> Callable[..., PipelineSettings]:
    def make(**sections: object) -> PipelineSettings:
        inputs = {"x": [*FIELDS, *FEATURES]}
        variant = {
            "model": {"name": "flights", "path": "m.onnx"},
            "weight": 1.0,
            "inputs": inputs,
            "outputs": {"late": {"tensor": "p"}},
        }
        tree: dict[str, object] = {
            "name": "demo",
            "source": {"topics": ["flights"]},
            "event": {
                "id": "id",
                "fields": {
                    "id": {"dtype": "string"},
                    "carrier": {"dtype": "category", "allowed": ["AA", "UA"]},
                    "image": {"dtype": "float32[4]"},
                    "distance": {"dtype": "float64"},
                    "hour": {"dtype": "int32"},
                    "delay": {"dtype": "float32", "required": False},
                },
            },
            "variants": {"champion": variant, "challenger": variant},
            "predictions": {"topic": "predictions"},
            "dead_letters": {"topic": "dead"},
            "outcomes": {"topic": "arrivals", "id": "id", "label": "late", "score": "late"},
        }
        return PipelineSettings.model_validate({**tree, **sections})

    return make


@pytest.fixture
def scored_batch() -> Callable[..., ScoredBatch]:
    def make(
        n: int,
        seed: int = 0,
        first_id: int = 0,
        start_ms: int = 1_000_000,
        scores: Sequence[float] | None = None,
        failures: Mapping[int, Failure] | None = None,
        shadow: bool = False,
    ) -> ScoredBatch:
        rng = np.random.default_rng(seed)
        failed = failures or {}
        healthy = np.array([r for r in range(n) if r not in failed], np.int64)
        answers = np.where(rng.random(n) < 0.5, 0, 1).astype(np.int16)
        answers[list(failed)] = -1
        p = rng.random(n) if scores is None else np.array(scores, np.float64)
        rows = tuple(healthy if shadow and v else healthy[answers[healthy] == v] for v in (0, 1))
        times_ms = start_ms + 1000 * np.arange(n, dtype=np.int64)
        return ScoredBatch(
            RecordBatch(
                ["flights"] * n,
                np.zeros(n, np.int32),
                np.arange(n, dtype=np.int64),
                times_ms,
                [None] * n,
                [b""] * n,
                [[]] * n,
            ),
            EventBatch(
                {
                    "distance": rng.normal(1000, 300, n),
                    "hour": rng.integers(0, 24, n, dtype=np.int32),
                    "delay": rng.normal(0, 1, n).astype(np.float32),
                },
                [f"e{first_id + i}" for i in range(n)],
                [""] * n,
                times_ms,
                failed,
            ),
            VARIANTS,
            Routes(answers, rows),
            tuple(
                FeatureBlock(
                    r,
                    FEATURES,
                    rng.normal(0, 1, (len(r), 8)).astype(np.float32),
                    ("weather",),
                    np.full((len(r), 1), 90.0, np.float32),
                    np.zeros((len(r), 1), np.uint8),
                )
                for r in rows
            ),
            tuple(ScoreBlock(r, ("late",), p[r, None]) for r in rows),
            failed,
            int(times_ms[-1]) + 250 if n else 0,
        )

    return make
