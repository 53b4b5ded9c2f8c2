"""10: Feast is locked, slow, away; entities are missing, rows stale, columns reordered."""

import json
import os
from collections import Counter
from typing import Any

import pytest

from tests.faults import bugs_inside, features, oracle, plants
from tests.faults.features import FRESH, MISSING, REJECTED, STALE, fate
from tests.faults.modes import DELIVERIES
from tests.faults.oracle import Verdict
from tests.faults.some_modes import dealt
from tests.faults.stage import Stage
from tests.faults.trial import Trial
from tests.faults.workplace import SESSION_S
from tests.kafka_io import read_all

READ_TIMEOUT_S = 2
LOCKED_S = READ_TIMEOUT_S + SESSION_S + 2.0
"""A worker that stops its heartbeats when the first read fails is out of the group before the lock opens. Also longer
than SQLite waits for a lock (5 s)."""
RECORDED = {FRESH: "fresh", MISSING: "defaulted", STALE: "defaulted"}
POLICY = "policy not applied or not recorded"
REBALANCED = "rebalanced while waiting"
WAITS = features.sections(read_timeout_s=READ_TIMEOUT_S)
SERVES = features.sections(read_timeout_s=1, serve_defaults_after_s=2)


async def recorded(stage: Stage) -> dict[str, dict[str, Any]]:
    """Event id -> the features' state as its prediction says it."""
    found = await read_all(stage.bootstrap_servers, stage.predictions)
    values = [json.loads(record.value) for record in found]
    return {value["id"]: value["features"] for value in values}


async def check_policy(stage: Stage, also: str = "") -> Counter[str]:
    """Every prediction says how its features were served, as the event's fate has it; `also` is right as well."""
    said = await recorded(stage)
    seen: Counter[str] = Counter()
    for id_, views in said.items():
        freshness = views["known"]["freshness"]
        seen[freshness] += 1
        if freshness not in (RECORDED.get(fate(id_)), also):
            stage.find(POLICY, f"{id_} ({fate(id_)}): {freshness}")
        aged = {FRESH: features.AGE_S, STALE: features.STALE_AGE_S}.get(fate(id_))
        age_s = views["known"]["age_s"] or 0.0
        if freshness != also and aged is not None and not aged <= age_s <= aged + 600:
            stage.find(POLICY, f"{id_} ({fate(id_)}): {age_s} s old")
    letters = await read_all(stage.bootstrap_servers, stage.dead_letters)
    for letter in letters:
        headers = dict(letter.headers)
        id_ = headers["streamapp.errors.id"].decode()
        if fate(id_) != REJECTED or headers["streamapp.errors.code"] != b"feature_missing":
            stage.find(POLICY, f"{id_} ({fate(id_)}): dead letter {headers['streamapp.errors.code']!r}")
    stage.figures |= {f"rows {name}": float(count) for name, count in seen.items()}
    stage.figures["rows rejected"] = float(len(letters))
    return seen


async def verdict_of(stage: Stage, also: str = "", members: frozenset[str] | None = None) -> Verdict:
    """The oracle's verdict, with the policy checked, and that the group still has its `members`."""
    await stage.feeder.stop()
    await stage.until_answered(len(stage.journal.acknowledged))
    await stage.until_committed(len(stage.journal.acknowledged))
    if members is not None and (now := await stage.members()) != members:
        stage.find(REBALANCED, f"members {sorted(members)} are now {sorted(now)}")
    await check_policy(stage, also)
    return await stage.finish()


async def locked(stage: Stage, also: str = "") -> Verdict:
    features.install(stage.folder)
    worker = stage.worker(plants.reorders_columns)
    await stage.feeder.feed(200)
    await stage.until_answered(150)
    members = await stage.members()
    stage.feeder.start(100)
    with features.locked(stage.folder / features.ONLINE):
        before = len(stage.watcher.answered)
        await stage.until(lambda: not worker.running, LOCKED_S)
        stage.figures["answered while locked"] = float(len(stage.watcher.answered) - before)
    return await verdict_of(stage, also, members)


async def slow(stage: Stage) -> Verdict:
    features.install(stage.folder)
    stage.worker(plants.reads_slowly)
    stage.feeder.start(200)
    await stage.until_answered(50)
    members = await stage.members()
    await stage.until_answered(300)
    return await verdict_of(stage, members=members)


async def away(stage: Stage) -> Verdict:
    """SQLite makes a new, empty file where the store was: what is in the file decides."""
    features.install(stage.folder)
    online, kept = stage.folder / features.ONLINE, stage.folder / "kept.db"
    os.rename(online, kept)
    worker = stage.worker()
    await stage.feeder.feed(200)
    await stage.until(lambda: not worker.running, 30)
    status, said = worker.child.exit_status, worker.said()
    if status in (0, None) or "no such table" not in said or "Traceback" in said:
        stage.find("unclear error", f"status {status}: {said[-500:]}")
    await stage.snapshot("the store is away")
    os.rename(kept, online)
    worker.end()
    worker.start()
    await stage.until_answered(200)
    return await verdict_of(stage)


@pytest.mark.parametrize("delivery", DELIVERIES)
async def test_a_locked_store_is_waited_for(trial: Trial, delivery: str) -> None:
    async with trial.stage(delivery, **WAITS) as stage:
        verdict = await locked(stage)
        assert stage.figures["answered while locked"] < 200
        trial.passed(stage, verdict)


@pytest.mark.parametrize("delivery", dealt(0))
async def test_defaults_are_served_after_a_while_where_the_pipeline_says_so(trial: Trial, delivery: str) -> None:
    async with trial.stage(delivery, **SERVES) as stage:
        verdict = await locked(stage, "unavailable_defaulted")
        assert stage.figures["rows unavailable_defaulted"] > 0
        trial.passed(stage, verdict)


@pytest.mark.parametrize("delivery", dealt(1))
async def test_a_slow_store_is_waited_for(trial: Trial, delivery: str) -> None:
    async with trial.stage(delivery, **WAITS) as stage:
        trial.passed(stage, await slow(stage))


@pytest.mark.parametrize("delivery", dealt(2))
async def test_a_store_without_its_tables_stops_the_worker(trial: Trial, delivery: str) -> None:
    async with trial.stage(delivery, **WAITS) as stage:
        trial.passed(stage, await away(stage))


@pytest.mark.parametrize("delivery", dealt(3))
async def test_columns_taken_by_position_is_caught(trial: Trial, delivery: str) -> None:
    trial = trial.with_bug(bugs_inside.fills_by_position)
    async with trial.stage(delivery, **WAITS) as stage:
        features.install(stage.folder)
        stage.worker(plants.reorders_columns)
        await stage.feeder.feed(100)
        trial.caught(stage, await stage.finish(), oracle.WRONG_PAYLOAD)


@pytest.mark.parametrize("delivery", dealt(4))
async def test_answering_without_the_store_is_caught(trial: Trial, delivery: str) -> None:
    trial = trial.with_bug(bugs_inside.answers_without_the_store)
    async with trial.stage(delivery, **WAITS) as stage:
        trial.caught(stage, await locked(stage), POLICY)


@pytest.mark.parametrize("delivery", dealt(5))
async def test_waiting_without_heartbeats_is_caught(trial: Trial, delivery: str) -> None:
    trial = trial.with_bug(bugs_inside.stops_heartbeats_while_it_waits)
    async with trial.stage(delivery, **WAITS) as stage:
        trial.caught(stage, await locked(stage), REBALANCED)
