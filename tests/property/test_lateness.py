"""Whatever is late or broken: each row ends in exactly one place, in its order."""

from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from streamapp.testing import ManualClock
from tests.unit.test_lateness import NOW_MS, batch, build, run, settings

POLICIES: dict[str, dict[str, Any]] = {
    "none": {},
    "score_anyway": {"deadline_ms": 100},
    "dead_letter": {"deadline_ms": 100, "late_policy": "dead_letter"},
    "fallback": {"deadline_ms": 100, "late_policy": "fallback", "fallback_scores": {"score": 0.25}},
}
PATHS = {name: build(settings(batching), ManualClock(NOW_MS)) for name, batching in POLICIES.items()}


@given(st.sampled_from(sorted(POLICIES)), st.lists(st.tuples(st.integers(0, 200), st.booleans()), min_size=1))
def test_each_row_ends_in_one_place_in_order(policy: str, rows: list[tuple[int, bool]]) -> None:
    ages, bad = [age for age, _ in rows], {i for i, (_, broken) in enumerate(rows) if broken}
    scored, out = run(PATHS[policy], batch(ages, bad=sorted(bad)))
    places = {topic: part.rows.tolist() for topic, part in out.items()}
    answered, dead = places.get("out", []), places.get("dead", [])
    assert answered == sorted(answered)
    assert dead == sorted(dead)
    assert sorted(answered + dead) == list(range(len(rows)))
    late = {i for i, age in enumerate(ages) if age > 100} - bad if policy != "none" else set()
    assert set(scored.late.rows.tolist() if scored.late else ()) == late
    assert set(dead) == bad | (late if policy == "dead_letter" else set())
    values = [orjson.loads(value or b"") for value in out["out"].values] if answered else []
    assert [value["source"]["offset"] for value in values] == answered
    fallbacks = {value["source"]["offset"] for value in values if "fallback" in value}
    assert fallbacks == (late if policy == "fallback" else set())
