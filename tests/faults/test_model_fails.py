"""9: the model raises for a row, raises for the batch, hangs, is killed for memory."""

import json

import pytest

from streamapp.kafka.run import FAILED
from streamapp.kafka.watch import STUCK
from tests.faults import bugs, bugs_inside, oracle
from tests.faults.modes import DELIVERIES
from tests.faults.odd import BAD, install, order
from tests.faults.oracle import Verdict
from tests.faults.some_modes import dealt
from tests.faults.stage import Stage
from tests.faults.trial import Trial
from tests.faults.workers import Worker
from tests.kafka_io import read_all

LIMIT_S = 2.0
NOTICED_WITHIN_S = LIMIT_S + 6.0
ODD = {"line": {"model": {"runtime": "odd"}}}
WATCHED = {"progress_timeout_s": LIMIT_S}


async def feed_bad(stage: Stage, rows: int) -> None:
    """Healthy events with `rows` among them that the model cannot take."""
    for number in range(rows):
        await stage.feeder.feed(60)
        value = json.dumps({"id": f"bad-{number}", "number": BAD + number}).encode()
        await stage.feeder.raw(value, key=b"bad", partition=number % stage.partitions)
        await stage.feeder.feed(60)


async def bad_rows(stage: Stage, rows: int) -> Verdict:
    install(stage.folder)
    worker = stage.worker(hold=True)
    await feed_bad(stage, rows)
    await worker.wait_until_entered(1)
    worker.gate.release()
    await stage.until_answered(len(stage.journal.acknowledged))
    letters = await read_all(stage.bootstrap_servers, stage.dead_letters)
    causes = {dict(letter.headers)["streamapp.errors.code"] for letter in letters}
    ids = sorted(json.loads(letter.value)["id"] for letter in letters)
    if ids != sorted(f"bad-{number}" for number in range(rows)) or causes != {b"model_error"}:
        stage.find("healthy rows in the dead letters", f"{ids[:5]} ({len(ids)}) for {causes}")
    return await stage.finish()


async def end_by(stage: Stage, worker: Worker, what: str, status: int) -> None:
    """Have the model end the worker; then let a new one go on."""
    order(worker.gate, what)
    ended = await stage.until(lambda: not worker.running, NOTICED_WITHIN_S)
    if not ended or worker.child.exit_status != status:
        stage.find(oracle.STUCK, f"{what}: status {worker.child.exit_status} after {NOTICED_WITHIN_S:.0f} s")
    worker.end()
    await stage.snapshot(f"model: {what}", excuses_workers=1)
    order(worker.gate, "")
    worker.start()
    await stage.until_answered(len(stage.watcher.answered) + 50)


async def failing(stage: Stage, orders: dict[str, int]) -> Verdict:
    install(stage.folder)
    worker = stage.worker()
    stage.feeder.start(stage.size.rate)
    await stage.until_answered(50)
    for what, status in orders.items():
        await end_by(stage, worker, what, status)
    order(worker.gate, "eat")
    await worker.wait_until_said("the model ran out of memory", times=2)
    order(worker.gate, "")
    return await stage.finish()


ENDS = {"raise": FAILED, "hang": STUCK, "kill": -9}
ENDS_LONG = {**ENDS, "hang with the lock": 1}


@pytest.mark.parametrize("delivery", dealt(0))
async def test_a_bad_row_is_found_and_its_neighbours_are_answered(trial: Trial, delivery: str) -> None:
    async with trial.stage(delivery, variants=ODD) as stage:
        trial.passed(stage, await bad_rows(stage, 4))


@pytest.mark.parametrize("delivery", dealt(1))
async def test_failing_the_whole_batch_is_caught(trial: Trial, delivery: str) -> None:
    trial = trial.with_bug(bugs_inside.fails_the_whole_batch)
    async with trial.stage(delivery, variants=ODD) as stage:
        trial.caught(stage, await bad_rows(stage, 4), "healthy rows in the dead letters")


@pytest.mark.parametrize("delivery", DELIVERIES)
async def test_a_model_that_ends_its_worker_loses_nothing(trial: Trial, delivery: str) -> None:
    async with trial.stage(delivery, variants=ODD, worker=WATCHED) as stage:
        trial.passed(stage, await failing(stage, ENDS))


@pytest.mark.parametrize("delivery", DELIVERIES)
async def test_committing_before_the_model_answered_is_caught(trial: Trial, delivery: str) -> None:
    trial = trial.with_bug(bugs.commits_when_opened)
    async with trial.stage(delivery, variants=ODD, worker=WATCHED) as stage:
        trial.caught(stage, await failing(stage, {"hang": STUCK}), oracle.LOST)


@pytest.mark.parametrize("delivery", dealt(2))
async def test_a_model_that_hangs_unwatched_is_caught(trial: Trial, delivery: str) -> None:
    trial = trial.with_bug(bugs_inside.nobody_watches)
    async with trial.stage(delivery, variants=ODD, worker=WATCHED) as stage:
        trial.caught(stage, await failing(stage, {"hang": STUCK}), oracle.STUCK)
