from collections.abc import Callable, Sequence

import numpy as np
import pytest

from streamapp.config.settings import PipelineSettings
from streamapp.encode import build_encoder
from streamapp.protocols import Encoder
from streamapp.types import (
    EventBatch,
    Failure,
    FeatureBlock,
    Headers,
    RecordBatch,
    Routes,
    ScoreBlock,
    ScoredBatch,
    Variant,
)

CHAMPION = Variant("champion", "delay", "1")
CHALLENGER = Variant("challenger", "delay-weather", "2.0")


@pytest.fixture
def encoder() -> Callable[..., Encoder]:
    def build(format_: str = "json") -> Encoder:
        model = {
            "model": {"name": "delay", "path": "m.onnx"},
            "inputs": {"x": "id"},
            "outputs": {"late": {"tensor": "p"}},
        }
        return build_encoder(
            PipelineSettings.model_validate(
                {
                    "name": "flights",
                    "source": {"topics": ["flights"]},
                    "event": {"id": "id", "fields": {"id": {"dtype": "string"}}},
                    "variants": {"champion": model},
                    "predictions": {"topic": "predictions", "format": format_},
                    "dead_letters": {"topic": "dead"},
                }
            )
        )

    return build


@pytest.fixture
def scored() -> Callable[..., ScoredBatch]:
    """Six flights: the champion (no views) answers 0, 3 and 5, the challenger (two views) 1; 2 failed in decode and 4,
    the challenger's, in enrich. The challenger also scores 0 and 3 as a shadow."""

    def build(headers: Sequence[Headers] | None = None) -> ScoredBatch:
        n = 6
        decode = Failure("decode", "out_of_range", "field 'delay': breaks le=10", "delay", "le=10", "11")
        enrich = Failure("enrich", "stale", "é too old")
        records = RecordBatch(
            ["flights"] * 5 + ['other"topic'],
            np.array([2, 0, 1, 2, 0, 7], np.int32),
            np.array([10, 0, 5, 11, 1, 2**40]),
            np.full(n, 5),
            [b"k0", None, b"k2", b"k3", b"\xff", b"k5"],
            [b"v0", b"v1", b"\x00\xffraw", b"v3", None, b"v5"],
            list(headers) if headers else [()] * n,
        )
        ids = ["a", 'q"u\\o\n', "", "d\u00e9", "e", "f"]
        events = EventBatch({}, ids, ids, 1_357_016_400_000 + np.arange(n), {2: decode})
        shadowed = np.array([3, 1, 0])
        features = (
            FeatureBlock.without_features(np.array([0, 3, 5])),
            FeatureBlock(
                shadowed,
                ("weather:wind",),
                np.zeros((3, 1), np.float32),
                ("weather", "plane"),
                np.array([[1, 1], [12.5004, np.nan], [3, 3]], np.float32),
                np.array([[0, 0], [1, 2], [3, 0]], np.uint8),
                {4: enrich},
            ),
        )
        scores = (
            ScoreBlock(np.array([0, 3, 5]), ("late",), np.array([[0.25], [0.001], [1.0]])),
            ScoreBlock(shadowed, ("late", "hours"), np.array([[0.9, 9], [0.1, 22.5], [0.8, 8]])),
        )
        routes = Routes(np.array([0, 1, -1, 0, 1, 0], np.int16), (np.array([0, 3, 5]), np.array([0, 1, 3, 4])))
        failures = {4: enrich, 2: decode}
        variants = (CHAMPION, CHALLENGER)
        return ScoredBatch(records, events, variants, routes, features, scores, failures, 1_700_000_000_123)

    return build
