"""The joined columns are byte for byte what orjson writes for the documented object, and it reads back."""

from typing import Any

import numpy as np
import orjson
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streamapp.encode.build import RecordEncoder
from streamapp.encode.json import FRESHNESS, JsonPredictions
from streamapp.types import (
    EventBatch,
    FeatureBlock,
    RecordBatch,
    Routes,
    ScoreBlock,
    ScoredBatch,
    Variant,
)

names = st.lists(st.text(min_size=1, max_size=5), min_size=1, max_size=3, unique=True)
finite = st.floats(allow_nan=False, allow_infinity=False)
int64 = st.integers(-(2**63), 2**63 - 1)


@st.composite
def batches(draw: st.DrawFn) -> tuple[ScoredBatch, list[dict[str, Any]]]:
    """A batch of one variant, and its predictions as the objects that docs/wire.md describes."""
    n = draw(st.integers(1, 4))
    rows = np.array(draw(st.permutations(range(n))), np.int64)

    def column(of: st.SearchStrategy[Any]) -> list[Any]:
        return draw(st.lists(of, min_size=n, max_size=n))

    scores, views = draw(names), draw(st.just([]) | names)
    values = np.array([column(finite) for _ in scores], np.float64).T
    ages = np.array([column(st.floats(0, 1e6, width=32) | st.just(float("nan"))) for _ in views], np.float32)
    fresh = np.array([column(st.integers(0, 3)) for _ in views], np.uint8)
    ages, fresh = ages.reshape(len(views), n).T, fresh.reshape(len(views), n).T
    variant = Variant(*(draw(st.text(max_size=4)) for _ in range(3)))
    ids, topics = column(st.text(max_size=6)), column(st.text(max_size=4))
    partitions, offsets, times = column(st.integers(0, 2**31 - 1)), column(int64), column(int64)
    records = RecordBatch(
        topics,
        np.array(partitions, np.int32),
        np.array(offsets),
        np.zeros(n, np.int64),
        [None] * n,
        [None] * n,
        [()] * n,
    )
    scored = ScoredBatch(
        records,
        EventBatch({}, ids, ids, np.array(times), {}),
        (variant,),
        Routes(np.zeros(n, np.int16), (np.sort(rows),)),
        (FeatureBlock(rows, (), np.empty((n, 0), np.float32), tuple(views), ages, fresh),),
        (ScoreBlock(rows, tuple(scores), values),),
        {},
        draw(int64),
    )
    expected: list[dict[str, Any]] = [{}] * n
    for m, row in enumerate(rows.tolist()):
        state = {
            view: {"age_s": round(float(ages[m, j]), 3), "freshness": FRESHNESS[fresh[m, j]]}
            for j, view in enumerate(views)
        }
        expected[row] = {
            "id": ids[row],
            "scores": dict(zip(scores, values[m].tolist(), strict=True)),
            "variant": variant.name,
            "model": variant.model_name,
            "model_version": variant.model_version,
            "event_time": times[row],
            "scored_at": scored.scored_at_ms,
            **({"features": state} if views else {}),
            "source": {"topic": topics[row], "partition": partitions[row], "offset": offsets[row]},
        }
    return scored, expected


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(batches())
def test_a_prediction_is_the_documented_object(made: tuple[ScoredBatch, list[dict[str, Any]]]) -> None:
    scored, expected = made
    out = RecordEncoder(JsonPredictions(), "predictions", "dead").predictions(scored)
    assert out.values == [orjson.dumps(prediction) for prediction in expected]
    assert [orjson.loads(value or b"") for value in out.values] == [orjson.loads(orjson.dumps(e)) for e in expected]
