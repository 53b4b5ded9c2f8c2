"""7: the broker refuses what a worker sends."""

import asyncio
from collections import Counter
from dataclasses import replace

import orjson
import pytest

from tests.faults import bugs_outside, oracle
from tests.faults.events import Place
from tests.faults.modes import AT_LEAST_ONCE, DELIVERIES
from tests.faults.oracle import Verdict
from tests.faults.own_broker import configure
from tests.faults.stage import Stage
from tests.faults.trial import Trial
from tests.faults.workers import PATIENCE_S
from tests.kafka_io import read_all

LIMIT_BYTES = 2_000
"""`max.message.bytes` of the predictions: a handful of answers fits, a large one alone does not."""
LARGE = 12
REFUSED_FOR_S = {"short": 3.0, "long": 45.0}
"""The long one is longer than aiokafka tries by itself (its request timeout, 30 s)."""
MISPLACED = "misplaced"


def large_event(number: int) -> bytes:
    """Fits into the input topic; its answer, which repeats it, does not fit into the output topic."""
    return orjson.dumps({"id": f"large/{number}", "number": number + 1.0, "payload": "x" * LIMIT_BYTES})


async def refusal_codes(stage: Stage) -> dict[Place, str]:
    """Input -> code in its dead letter."""
    found = {}
    committed_only = stage.delivery == "exactly_once"
    for letter in await read_all(stage.bootstrap_servers, stage.dead_letters, committed_only=committed_only):
        headers = {name: value.decode() for name, value in letter.headers}
        topic, partition, offset = (headers[f"__connect.errors.{part}"] for part in ("topic", "partition", "offset"))
        found[Place(topic, int(partition), int(offset))] = headers["streamapp.errors.code"]
    return found


async def too_large(stage: Stage, settled_within_s: float = PATIENCE_S) -> Verdict:
    """Records that no retry makes smaller: each becomes a dead letter, and nothing else does."""
    await configure(stage.bootstrap_servers, stage.predictions, {"max.message.bytes": str(LIMIT_BYTES)})
    large: set[Place | None] = set()
    for number in range(LARGE):
        await stage.feeder.feed(20)
        partition = number % stage.partitions
        large.add(await stage.feeder.raw(large_event(number), key=b"large-%d" % number, partition=partition))
    stage.worker()
    await stage.until_answered(1)
    verdict = await stage.finish(settled_within_s)
    letters = await refusal_codes(stage)
    if set(letters) != large:
        stage.find(MISPLACED, f"dead letters {sorted(letters)}, too large {large}")
    stage.figures |= Counter(letters.values())
    judged = oracle.judge(await stage.history(), {**verdict.findings, **stage.findings})
    return replace(judged, figures=dict(stage.figures))


async def not_accepted(stage: Stage, seconds: float) -> Verdict:
    """Records that the broker does not take for a while, whatever their size."""
    await configure(stage.bootstrap_servers, stage.predictions, {"message.timestamp.before.max.ms": "0"})
    worker = stage.worker()
    await stage.feeder.feed(300)
    await worker.wait_until_said("tried again", 2)
    await asyncio.sleep(seconds)
    await stage.snapshot("refused")
    await configure(stage.bootstrap_servers, stage.predictions, {})
    return await stage.finish()


async def not_valid(stage: Stage) -> Verdict:
    """One record that the broker does not take: without a key, where the output topic is compacted. It is waited with,
    as the topic is at fault, not the event."""
    await configure(stage.bootstrap_servers, stage.predictions, {"cleanup.policy": "compact"})
    await stage.feeder.feed(300)
    place = await stage.feeder.raw(orjson.dumps({"id": "keyless", "number": 7.0}), key=None, partition=0)
    await stage.feeder.feed(300)
    worker = stage.worker()
    await worker.wait_until_said("tried again", 2)
    refused = await stage.snapshot("refused")
    if place is None or refused.committed.get(place[:2], 0) > place.offset:
        stage.find(oracle.EARLY_COMMIT, f"committed {refused.committed}, refused {place}")
    await configure(stage.bootstrap_servers, stage.predictions, {})
    return await stage.finish()


@pytest.mark.parametrize("delivery", DELIVERIES)
async def test_a_prediction_too_large_becomes_a_dead_letter(trial: Trial, delivery: str) -> None:
    async with trial.stage(delivery) as stage:
        trial.passed(stage, await too_large(stage))


# Not in transactions: with this setting Kafka refuses its own markers too and never ends one (seen in 4.4.0). What
# is refused there is the case below.
@pytest.mark.parametrize("delivery", [AT_LEAST_ONCE])
async def test_what_is_not_accepted_is_not_committed(trial: Trial, delivery: str) -> None:
    async with trial.stage(delivery) as stage:
        trial.passed(stage, await not_accepted(stage, REFUSED_FOR_S[trial.size.name]))


@pytest.mark.parametrize("delivery", DELIVERIES)
async def test_what_is_not_valid_is_not_committed(trial: Trial, delivery: str) -> None:
    async with trial.stage(delivery) as stage:
        trial.passed(stage, await not_valid(stage))


@pytest.mark.parametrize("delivery", DELIVERIES)
async def test_taking_a_refusal_for_a_delivery_is_caught(trial: Trial, delivery: str) -> None:
    trial = trial.with_bug(bugs_outside.takes_refusal_for_delivery)
    async with trial.stage(delivery) as stage:
        # Exactly once, nothing is committed any more when what is left out cannot be sent: nothing to wait for.
        trial.caught(stage, await too_large(stage, settled_within_s=10.0), oracle.LOST)
