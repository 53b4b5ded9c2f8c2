"""13: the input is truncated behind the consumer, or deleted and made anew."""

import asyncio
import socket
import time
import urllib.request
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

import orjson
import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic, RecordsToDelete
from aiokafka.errors import TopicAlreadyExistsError

from tests.faults import bugs_outside, oracle
from tests.faults.modes import DELIVERIES
from tests.faults.oracle import Verdict
from tests.faults.stage import Stage
from tests.faults.trial import Trial
from tests.faults.workers import PATIENCE_S, Worker
from tests.faults.workplace import merged, write_pipeline

SILENT = "silent"
ALARM = "the log moved on the broker"
METRIC = "streamapp_moved_logs_total"
ALARM_WITHIN_S = 10.0
"""Once there is a record to read: a topic that is gone is looked for every second, and then the group forms anew."""
CUT_BYTES = 4_000
CUT_EVENTS = 900
"""Of `CUT_BYTES` each, per partition: more than two fetches (1 MiB each) bring."""

Scene = Callable[[Stage, int], Coroutine[Any, Any, Verdict]]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def moved_logs(port: int) -> float:
    """The worker's metric; 0 while nobody answers."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5.0) as page:
            lines = page.read().decode().splitlines()
    except OSError:
        return 0.0
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(METRIC))


async def truncate(stage: Stage, before: int) -> None:
    """Delete the input below offset `before`; what nobody answered is not expected any more."""
    admin = AIOKafkaAdminClient(bootstrap_servers=stage.bootstrap_servers)
    await admin.start()
    try:
        cut = {TopicPartition(stage.events, number): RecordsToDelete(before) for number in range(stage.partitions)}
        await admin.delete_records(cut)
    finally:
        await admin.close()
    gone = [place for place in stage.journal.acknowledged if place.offset < before]
    stage.figures["deleted_unread"] = len(set(gone) - stage.watcher.answered)
    for place in set(gone) - stage.watcher.answered:
        del stage.journal.acknowledged[place]


async def make_anew(stage: Stage) -> None:
    """Delete the input topic and create it again, empty."""
    admin = AIOKafkaAdminClient(bootstrap_servers=stage.bootstrap_servers)
    await admin.start()
    try:
        await admin.delete_topics([stage.events])
        deadline_s = time.monotonic() + PATIENCE_S
        while not await created(admin, stage):
            assert time.monotonic() < deadline_s, "the broker does not finish deleting the topic"
            await asyncio.sleep(0.05)
    finally:
        await admin.close()


async def created(admin: AIOKafkaAdminClient, stage: Stage) -> bool:
    try:
        response = await admin.create_topics([NewTopic(stage.events, stage.partitions, 1)])
    except TopicAlreadyExistsError:
        return False
    return not any(error[1] for error in response.topic_errors)


async def expect_alarm(stage: Stage, worker: Worker, port: int) -> None:
    """A line of the log and the metric, per partition."""
    began_s = time.monotonic()

    def raised() -> bool:
        return worker.said().count(ALARM) >= stage.partitions and moved_logs(port) >= stage.partitions

    if not await stage.until(raised, ALARM_WITHIN_S):
        said = worker.said().count(ALARM)
        stage.find(SILENT, f"{said} lines and {METRIC} {moved_logs(port)}, {stage.partitions} partitions moved")
    stage.figures["alarm_s"] = time.monotonic() - began_s


async def behind_a_stopped_worker(stage: Stage, port: int) -> Verdict:
    """Retention overtakes a worker that is down: what it has committed is out of range when it comes back."""
    await stop_and_truncate(stage)
    worker = stage.worker()
    await worker.wait_until_said("is ready")
    await expect_alarm(stage, worker, port)
    return await stage.finish()


async def behind_a_stopped_worker_that_resets_to_the_end(stage: Stage, port: int) -> Verdict:
    """With `auto.offset.reset: latest` it skips what is there as well, so there is no alarm before the next record."""
    await stop_and_truncate(stage)
    write_pipeline(stage.pipeline, merged(stage.document, {"kafka": {"auto.offset.reset": "latest"}}))
    worker = stage.worker()
    await worker.wait_until_said("is ready")
    stage.feeder.start(100)
    await expect_alarm(stage, worker, port)
    await stage.feeder.stop()
    last = {max(p for p in stage.journal.acknowledged if p.partition == n) for n in range(stage.partitions)}
    if not await stage.until(lambda: last <= stage.watcher.answered):
        stage.find(oracle.STUCK, f"{sorted(last)} not answered")
    acknowledged = stage.journal.acknowledged
    stage.figures["skipped"] = len(acknowledged.keys() - stage.watcher.answered)
    stage.journal.acknowledged = {p: entry for p, entry in acknowledged.items() if p in stage.watcher.answered}
    return await stage.finish()


async def stop_and_truncate(stage: Stage) -> None:
    """A worker answers the first 200 events and stops; 100 of the next 200 are deleted."""
    first = stage.worker()
    await stage.feeder.feed(200)
    await stage.until_answered(200)
    await stage.stop(first)
    await stage.feeder.feed(200)
    await truncate(stage, 150)


async def behind_a_busy_worker(stage: Stage, port: int) -> Verdict:
    """Retention overtakes a worker that is far behind."""
    events = CUT_EVENTS * stage.partitions
    values = [
        orjson.dumps({"id": f"large/{number}", "number": number + 1.0, "payload": "x" * CUT_BYTES})
        for number in range(events)
    ]
    raw = stage.feeder.raw
    await asyncio.gather(*[raw(value, key=b"k", partition=i % stage.partitions) for i, value in enumerate(values)])
    worker = stage.worker(hold=True)
    await worker.wait_until_entered(1)
    await truncate(stage, CUT_EVENTS - 10)
    worker.gate.release()
    await expect_alarm(stage, worker, port)
    return replace(await stage.finish(), events=events)


async def made_anew_under_a_worker(stage: Stage, port: int) -> Verdict:
    """Offsets begin at 0 again, ahead of which the worker stands."""
    worker = stage.worker()
    await stage.feeder.feed(200)
    await stage.until_answered(200)
    await make_anew(stage)
    old = stage.journal.acknowledged
    stage.journal.acknowledged = {}
    again = await stage.new_feeder("p1")
    ends = await stage.watcher.ends()
    await again.feed(100)
    await expect_alarm(stage, worker, port)
    verdict = await stage.finish()
    # The same places were used twice: the second time is judged by the answers after the first.
    history = await stage.history()
    later = [answer for answer in history.predictions if answer.at.offset >= ends[answer.at[:2]]]
    judged = oracle.judge(replace(history, predictions=later, live=(), snapshots=()), stage.findings)
    return replace(judged, events=len(old) + judged.events, figures=verdict.figures)


SCENES = (
    behind_a_stopped_worker,
    behind_a_stopped_worker_that_resets_to_the_end,
    behind_a_busy_worker,
    made_anew_under_a_worker,
)


def told(port: int) -> dict[str, Any]:
    """Sections of pipeline.yaml: a metrics endpoint, and a queue that holds less than what is deleted."""
    return {"metrics": {"enabled": True, "port": port}, "batching": {"max_queue_size": 128}}


@pytest.mark.parametrize("delivery", DELIVERIES)
@pytest.mark.parametrize("scene", SCENES)
async def test_it_is_an_alarm(trial: Trial, delivery: str, scene: Scene) -> None:
    port = free_port()
    async with trial.stage(delivery, **told(port)) as stage:
        trial.passed(stage, await scene(stage, port))


@pytest.mark.parametrize("delivery", DELIVERIES)
@pytest.mark.parametrize("scene", [behind_a_stopped_worker, behind_a_busy_worker])
async def test_beginning_anywhere_is_caught(trial: Trial, delivery: str, scene: Scene) -> None:
    trial, port = trial.with_bug(bugs_outside.begins_anywhere), free_port()
    async with trial.stage(delivery, **told(port)) as stage:
        trial.caught(stage, await scene(stage, port), SILENT)
