"""12: wall clocks an hour ahead and behind, event times in the future."""

import json
import time
from collections import Counter

import pytest

from tests.faults import bugs_inside, features, plants
from tests.faults.features import AGE_S, FRESH, MAX_AGE_S, MISSING, REJECTED, STALE, STALE_AGE_S, fate
from tests.faults.oracle import Verdict
from tests.faults.some_modes import dealt
from tests.faults.stage import Stage
from tests.faults.trial import Trial
from tests.kafka_io import read_all

WRONG = "staleness wrong"
FUTURE_S = 3600
TOLERANCE_S = 10.0
FROM_THE_FUTURE = 40
TIMED = {
    **features.sections(),
    "event": {"time": "at", "fields": {"at": {"dtype": "timestamp", "required": False}}},
}


async def feed_the_future(stage: Stage) -> None:
    """Events that the feeder does not make, of an hour hence."""
    at = int((time.time() + FUTURE_S) * 1000)
    for number in range(FROM_THE_FUTURE):
        sequence = features.SEQUENCES - 8 * (number + 1)
        value = json.dumps({"id": f"p0/p0-0/{sequence}", "number": 1 + number, "at": at}).encode()
        await stage.feeder.raw(value, key=b"future", partition=number % stage.partitions)


async def check(stage: Stage) -> None:
    """The age in each prediction is that of its features by the clock that stamped `scored_at`."""
    made_s = float((stage.folder / "features" / features.MADE).read_text())
    seen: Counter[str] = Counter()
    for record in await read_all(stage.bootstrap_servers, stage.predictions):
        said = json.loads(record.value)
        known, event = said["features"]["known"], fate(said["id"])
        if event in (MISSING, REJECTED):
            continue
        age_s = said["scored_at"] / 1000 - made_s + {FRESH: AGE_S, STALE: STALE_AGE_S}[event]
        freshness = "defaulted" if age_s > MAX_AGE_S else "fresh"
        seen[f"{freshness}, {'ahead' if said['scored_at'] / 1000 > time.time() else 'behind'}"] += 1
        if abs(known["age_s"] - age_s) > TOLERANCE_S or known["freshness"] != freshness:
            stage.find(WRONG, f"{said['id']} ({event}): {known}, should be {age_s:.0f} s, {freshness}")
    stage.figures |= {f"rows {name}": float(count) for name, count in seen.items()}
    if set(seen) != {"defaulted, ahead", "fresh, behind", "defaulted, behind"}:
        stage.find(WRONG, f"not every clock was seen: {dict(seen)}")


async def scene(stage: Stage) -> Verdict:
    features.install(stage.folder)
    workers = [stage.worker(plants.an_hour_ahead), stage.worker(plants.an_hour_behind)]
    for worker in workers:
        await worker.wait_until_said("holds 1 partitions")
    await stage.feeder.feed(600)
    await feed_the_future(stage)
    await stage.until_answered(600 + FROM_THE_FUTURE)
    await check(stage)
    return await stage.finish()


@pytest.mark.parametrize("delivery", dealt(0))
async def test_nothing_is_lost_and_ages_are_right(trial: Trial, delivery: str) -> None:
    async with trial.stage(delivery, **TIMED) as stage:
        trial.passed(stage, await scene(stage))


@pytest.mark.parametrize("delivery", dealt(1))
async def test_another_clock_than_the_pipelines_is_caught(trial: Trial, delivery: str) -> None:
    trial = trial.with_bug(bugs_inside.takes_event_time_for_now)
    async with trial.stage(delivery, **TIMED) as stage:
        trial.caught(stage, await scene(stage), WRONG)
