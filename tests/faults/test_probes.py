"""9 and 15: the probes and the metrics tell how a worker is."""

import pytest

from streamapp.demo.broker import free_port
from streamapp.kafka.watch import STUCK
from tests.faults import bugs_inside, oracle
from tests.faults.odd import install, order
from tests.faults.oracle import Verdict
from tests.faults.probing import UNHEARD, diary, readiness
from tests.faults.some_modes import dealt
from tests.faults.stage import Stage
from tests.faults.trial import Trial
from tests.faults.workplace import merged, write_pipeline

LIMIT_S = 4.0
UNTRUE = "a probe did not tell the truth"
WATCHED = {"worker": {"progress_timeout_s": LIMIT_S}, "variants": {"line": {"model": {"runtime": "odd"}}}}


def told(stage: Stage, what: str, found: list[str], wanted: list[str]) -> None:
    """`wanted` occurs in `found` in this order."""
    rest = iter(found)
    if not all(word in rest for word in wanted):
        stage.find(UNTRUE, f"{what}: {found}, not {wanted}")


async def scene(stage: Stage) -> Verdict:
    """Two workers and one partition: the second idles, and takes over when the first one is stuck."""
    install(stage.folder)
    ports = free_port(), free_port()
    for number, port in enumerate(ports):
        metrics = {"metrics": {"enabled": True, "port": port}}
        write_pipeline(stage.folder / f"worker-{number}.yaml", merged(stage.document, metrics))
    async with diary(ports[0]) as first, diary(ports[1]) as second:
        busy = stage.worker(pipeline=stage.folder / "worker-0.yaml")
        order(busy.gate, "warm up")
        await stage.until(lambda: "warming" in first.readiness)
        order(busy.gate, "")
        await stage.feeder.feed(50)
        await stage.until_answered(50)
        await stage.until(lambda: readiness(ports[0]) == "ready", 5)
        idle = stage.worker(pipeline=stage.folder / "worker-1.yaml")
        await idle.wait_until_said("generation")
        await stage.until(lambda: readiness(ports[0]) == readiness(ports[1]) == "ready", 5)
        members = [busy, idle] if "holds 1 partitions" in busy.said().rsplit("generation", 1)[1] else [idle, busy]
        diaries = [first, second] if members[0] is busy else [second, first]
        order(members[0].gate, "hang")
        await stage.feeder.feed(50)
        await stage.until(lambda: not members[0].running, LIMIT_S + 10)
        if members[0].child.exit_status != STUCK:
            stage.find(oracle.STUCK, f"status {members[0].child.exit_status}")
        members[0].end()
        await stage.snapshot("stuck", excuses_workers=1)
        await stage.until_answered(100)
        members[1].gate.hold()
        await stage.feeder.feed(10)
        await members[1].wait_until_entered(members[1].gate.entered + 1)
        await stage.stop(members[1], within_s=1.0)
        await stage.until(lambda: "draining" in diaries[1].readiness, 5)
        members[1].gate.release()
        await stage.until(lambda: not members[1].running)
        members[1].end()
    told(stage, "the first worker", first.readiness, [UNHEARD, "warming", "assigning", "ready"])
    told(stage, "the stuck worker", diaries[0].readiness, ["ready", "stuck", UNHEARD])
    told(stage, "the other worker", diaries[1].readiness, ["ready", "draining", UNHEARD])
    if set(first.live) - {0, 200, 503} or 200 not in second.live or diaries[0].stuck < 1:
        stage.find(UNTRUE, f"livez {first.live}, {second.live}, stuck partitions {diaries[0].stuck}")
    return await stage.finish()


@pytest.mark.parametrize("delivery", dealt(0))
async def test_probes_tell_the_truth(trial: Trial, delivery: str) -> None:
    async with trial.stage(delivery, partitions=1, **WATCHED) as stage:
        trial.passed(stage, await scene(stage))


@pytest.mark.parametrize("delivery", dealt(1))
async def test_a_probe_that_is_always_ready_is_caught(trial: Trial, delivery: str) -> None:
    trial = trial.with_bug(bugs_inside.is_always_ready)
    async with trial.stage(delivery, partitions=1, **WATCHED) as stage:
        trial.caught(stage, await scene(stage), UNTRUE)
