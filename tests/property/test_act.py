"""Whatever is written in whatever order: one state, no lost keys, and nothing that takes effect twice."""

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from streamapp.act.analysis import Result
from streamapp.act.apply import Refusal, apply
from streamapp.act.commands import (
    Abort,
    Advance,
    Aliased,
    Declare,
    DeclaredVariant,
    Deploy,
    Measured,
    Pause,
    Promote,
    Resume,
    Start,
    Weighed,
    decode,
)
from streamapp.act.contest import Contest
from streamapp.act.state import State, owners_of
from streamapp.act.steps import Analyse, Explore, SetShadow, SetWeight, Wait
from streamapp.types import Tenant
from tests.act_log import MemoryLog

FILE = {
    "a": DeclaredVariant("a", "m", "1", 3.0, 0.0),
    "a-canary": DeclaredVariant("a", "m", "1", 0.0, 0.0),
    "b": DeclaredVariant("b", "n", "1", 1.0, 0.0),
    "c": DeclaredVariant("c", "n", "2", 1.0, 0.5),
}
WIRINGS = {"m": ["a"], "n": ["b", "c"]}
STEPS = st.one_of(
    st.builds(SetWeight, st.sampled_from([0.0, 1.0, 33.3, 100.0])),
    st.builds(SetShadow, st.sampled_from([0.0, 100.0])),
    st.just(Wait(1)),
    st.just(Wait()),
    st.just(Analyse(1, 2, success="x > 1", failure_limit=1, inconclusive_limit=1)),
    st.just(Explore(1, 3)),
)


def said(draw: Any, state: State) -> tuple[Any, dict[str, Any]]:
    """A command that somebody who saw `state` could write."""
    kind = draw(st.sampled_from([Start, Deploy, Advance, Measured, Weighed, Pause, Resume, Promote, Abort, Aliased]))
    model = draw(st.sampled_from(["m", "n"]))
    version = draw(st.sampled_from([None, "2", "3"]))
    tenant = Tenant(draw(st.sampled_from(WIRINGS[model])), version)
    if kind in (Start, Deploy):
        steps = {"steps": tuple(draw(st.lists(STEPS, min_size=1, max_size=4)))} if kind is Start else {}
        return kind, {
            "expects": state.models[model],
            "model": model,
            "version": state.version_of(tenant),
            "tenant": tenant,
            **steps,
        }
    if kind is Aliased:
        promotion = state.promotions.get(model)
        at = 0 if promotion is None else promotion.revision
        return kind, {"model": model, "promotion": at, "settled": draw(st.booleans()), "reason": "moved"}
    rollout = state.rollouts.get(model)
    if rollout is None:
        return Abort, {"rollout": "none"}
    at = {"rollout": rollout.id, "turn": rollout.turn, "step": rollout.step}
    number = {"number": rollout.measured + 1, "evidence": {"x": 1.5}}
    if kind is Measured:
        return kind, {**at, **number, "result": draw(st.sampled_from(list(Result))), "reason": ""}
    if kind is Weighed:
        result = draw(st.sampled_from([None, *Result]))
        said = {"weight": 50.0, "best": 0.5, "contest": Contest(), "result": result, "reason": ""}
        return kind, {**at, **number, **said}
    if kind is Advance:
        return kind, at
    return kind, {"rollout": rollout.id, **({"turn": rollout.turn} if kind in (Pause, Resume) else {})}


def written(draw: Any, most: int = 25) -> MemoryLog:
    log = MemoryLog()
    assert log.write(Declare, expects=0, variants=FILE) is None
    for _ in range(draw(st.integers(0, most))):
        log.now_ms += 1_000
        kind, fields = said(draw, log.state)
        log.write(kind, **fields)
    return log


@settings(max_examples=200)
@given(st.data())
def test_each_model_keeps_its_keys(data):
    state = written(data.draw).state
    owners = owners_of(state.table)
    assert len(owners) == 10_000
    buckets = np.bincount(owners, minlength=4)
    assert abs(int(buckets[:2].sum()) - 6_000) <= 2
    assert abs(int(buckets[2:].sum()) - 4_000) <= 2
    assert abs(state.weights["a"] + state.weights["a-canary"] - 3) < 1e-9
    for rollout in state.rollouts.values():
        if rollout.over:
            assert state.weights[rollout.candidate] == 0
            assert state.shadows[rollout.candidate] == 0


@settings(max_examples=200)
@given(st.data())
def test_whoever_starts_from_a_snapshot_comes_to_the_same_state(data):
    log = written(data.draw)
    start = data.draw(st.integers(0, len(log.values)))
    state = State()
    for place, value in enumerate(log.values[:start]):
        after = apply(state, decode(value), place + 1, log.times_ms[place])
        state = state if isinstance(after, Refusal) else after
    for place, value in enumerate(log.values[start:], start):
        after = apply(state, decode(value), place + 1, log.times_ms[place])
        state = state if isinstance(after, Refusal) else after
    assert state == log.state


def test_a_resume_that_came_too_early_does_not_count_later():
    log = MemoryLog()
    assert log.write(Declare, expects=0, variants=FILE) is None
    fields = {"expects": log.state.models["m"], "model": "m", "version": "2", "tenant": Tenant("a", "2")}
    assert log.write(Start, **fields, steps=(Wait(),)) is None
    rollout = log.state.rollouts["m"]
    assert log.write(Resume, rollout=rollout.id, turn=rollout.turn) is not None
    early = log.values[-1]
    assert log.write(Advance, rollout=rollout.id, turn=rollout.turn, step=rollout.step) is None
    assert isinstance(log.append(early), Refusal)
    assert not log.state.rollouts["m"].over


@settings(max_examples=200)
@given(st.data())
def test_a_command_that_is_written_again_is_refused(data):
    log = written(data.draw)
    for value in list(log.values):
        before = log.state
        assert isinstance(log.append(value), Refusal)
        assert log.state == before
