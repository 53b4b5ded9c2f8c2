from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from streamapp.config.settings import PipelineSettings
from streamapp.errors import ConfigError
from streamapp.observe.streams import Streams, read_rows, streams_of
from streamapp.types import ScoredBatch

FEATURES = tuple(f"weather:f{i}" for i in range(8))
Make = Callable[..., PipelineSettings]


def test_all_numeric_inputs_and_the_judged_score(pipeline: Make) -> None:
    expected = Streams(FEATURES, ("distance", "hour", "delay"), ("late",))
    assert streams_of(pipeline()) == (expected, expected)
    assert expected.names[-1] == "score:late"


def test_inputs_without_an_order_are_left_out(pipeline: Make) -> None:
    variant = {
        "model": {"name": "m", "path": "m.onnx"},
        "inputs": {"image": "image", "x": ["carrier", "hour", "weather:f1"]},
        "outputs": {"a": {"tensor": "p"}, "b": {"tensor": "p", "column": 1}},
    }
    (streams,) = streams_of(pipeline(variants={"only": variant}, outcomes=None))
    assert streams == Streams(("weather:f1",), ("hour",), ("a", "b"))


def test_only_the_features_asked_for(pipeline: Make) -> None:
    (streams, _) = streams_of(pipeline(drift={"features": ["weather:f2", "carrier", "delay"]}))
    assert streams == Streams(("weather:f2",), ("carrier", "delay"), ("late",))


@pytest.mark.parametrize("name", ["weather:nothing", "id", "image"])
def test_a_feature_that_cannot_be_watched_is_refused(pipeline: Make, name: str) -> None:
    with pytest.raises(ConfigError, match=f"drift.features: '{name}'"):
        streams_of(pipeline(drift={"features": [name]}))


def test_rows_are_those_that_were_scored(pipeline: Make, scored_batch: Callable[..., ScoredBatch]) -> None:
    batch = scored_batch(50)
    streams = Streams(("weather:f5", "weather:f0"), ("hour", "delay"), ("late",))
    block, score = batch.features[0], batch.scores[0]
    kept = np.arange(len(score.rows)) % 3 > 0
    fewer = replace(score, rows=score.rows[kept], values=score.values[kept])
    rows, times_ms = read_rows(replace(batch, scores=(fewer, batch.scores[1])), 0, streams)
    assert rows.dtype == np.float64
    np.testing.assert_array_equal(rows[:, :2], block.values[kept][:, [5, 0]])
    np.testing.assert_array_equal(rows[:, 2], batch.events.columns["hour"][fewer.rows])
    np.testing.assert_array_equal(rows[:, 4], fewer.values[:, 0])
    np.testing.assert_array_equal(times_ms, batch.events.event_times_ms[fewer.rows])
