"""8: poison among healthy events."""

from collections import defaultdict
from dataclasses import dataclass

import orjson
import pytest
from aiokafka import ConsumerRecord

from tests.faults import bugs_outside, oracle
from tests.faults.events import Place
from tests.faults.modes import DELIVERIES, EXACTLY_ONCE
from tests.faults.oracle import Verdict
from tests.faults.own_broker import configure
from tests.faults.stage import Stage
from tests.faults.trial import Trial
from tests.kafka_io import read_all

LARGE_BYTES = 10_000_000
ROOM = {"max.message.bytes": "12000000"}
HEALTHY_BETWEEN = 30
MISPLACED = "misplaced"


@dataclass(frozen=True, slots=True)
class Poison:
    """A record and what the headers of its dead letter say, empty where there is nothing to say.

    With no code it is odd, and healthy all the same."""

    name: str
    value: bytes | None
    code: str = ""
    field: str = ""
    rule: str = ""
    key: bytes | None = b"poison"


def event(number: object, **more: object) -> bytes:
    return orjson.dumps({"id": "poison", "number": number, **more})


POISON = (
    Poison("not JSON", b'{"id": "poison", "number": ', "not_json", rule="JSON"),
    Poison("not text", b"\xff\xfe\x00\x01", "not_json", rule="JSON"),
    Poison("not an object", b"[1, 2, 3]", "not_an_object", rule="object"),
    Poison("wrong type", event("seven"), "wrong_type", "number", "dtype float32"),
    Poison("wrong type of id", b'{"id": 7, "number": 7.0}', "wrong_type", "id", "dtype string"),
    Poison("no number", orjson.dumps({"id": "poison"}), "missing", "number", "required"),
    Poison("null number", event(None), "missing", "number", "required"),
    Poison("out of range", event(0.5), "out_of_range", "number", "ge=1"),
    Poison("beyond float", b'{"id": "poison", "number": 1e999}', "out_of_range", "number", "dtype float32"),
    Poison("beyond float32", b'{"id": "poison", "number": 1e300}', "out_of_range", "number", "dtype float32"),
    Poison("NaN", b'{"id": "poison", "number": NaN}', "not_json", rule="JSON"),
    Poison("Infinity", b'{"id": "poison", "number": Infinity}', "not_json", rule="JSON"),
    Poison("empty", b"", "empty"),
    Poison("null", None, "empty"),
    Poison("10 MB of nothing", b"x" * LARGE_BYTES, "not_json", rule="JSON"),
    Poison("10 MB event", event(7.0, payload="x" * LARGE_BYTES), "record_too_large"),
    Poison("null key and not JSON", b"{", "not_json", rule="JSON", key=None),
    Poison("null key", event(7.0), key=None),
    Poison("the same id", event(8.0)),
    Poison("the same id and key again", event(8.0)),
    Poison("a name twice", b'{"id": "poison", "number": 7.0, "number": 8.0}'),
)


async def feed(stage: Stage) -> dict[Place, Poison]:
    """Poison with healthy events in between, in every partition."""
    found: dict[Place, Poison] = {}
    for poison in POISON:
        for partition in range(stage.partitions):
            await stage.feeder.feed(HEALTHY_BETWEEN)
            place = await stage.feeder.raw(poison.value, key=poison.key, partition=partition)
            if place is None:
                raise AssertionError(f"{poison.name} could not be fed")
            found[place] = poison
    await stage.feeder.feed(HEALTHY_BETWEEN)
    return found


async def letters(stage: Stage) -> dict[Place, list[ConsumerRecord]]:
    """Input -> its dead letters."""
    found: defaultdict[Place, list[ConsumerRecord]] = defaultdict(list)
    committed_only = stage.delivery == EXACTLY_ONCE
    for letter in await read_all(stage.bootstrap_servers, stage.dead_letters, committed_only=committed_only):
        headers = dict(letter.headers)
        topic, partition, offset = (headers[f"__connect.errors.{part}"] for part in ("topic", "partition", "offset"))
        found[Place(topic.decode(), int(partition), int(offset))].append(letter)
    return found


def complaints(poison: Poison, found: list[ConsumerRecord]) -> list[str]:
    """What is wrong with the dead letters of one record."""
    if len(found) != bool(poison.code):
        return [f"{poison.name}: {len(found)} dead letters"]
    expected = {"code": poison.code, "field": poison.field, "rule": poison.rule}
    said = [{name: value.decode() for name, value in letter.headers} for letter in found]
    shown = [{name: headers.get(f"streamapp.errors.{name}", "") for name in expected} for headers in said]
    return [f"{poison.name}: {headers}" for headers in shown if headers != expected]


async def scene(stage: Stage) -> Verdict:
    for topic in (stage.events, stage.dead_letters):
        await configure(stage.bootstrap_servers, topic, ROOM)
    fed = await feed(stage)
    stage.worker()
    await stage.until_answered(100)
    verdict = await stage.finish()
    found = await letters(stage)
    for place, poison in fed.items():
        for complaint in complaints(poison, found.pop(place, [])):
            stage.find(MISPLACED, complaint)
    for place in found:
        stage.find(MISPLACED, f"a healthy event is a dead letter: {place}")
    history = await stage.history()
    stage.figures |= {"poison": len(fed), "dead_letters": len(history.dead_letters)}
    judged = oracle.judge(history, {**verdict.findings, **stage.findings})
    return Verdict(judged.events, judged.findings, judged.repeats, judged.bound, dict(stage.figures))


@pytest.mark.parametrize("delivery", DELIVERIES)
async def test_each_bad_record_is_a_dead_letter_and_no_healthy_one(trial: Trial, delivery: str) -> None:
    async with trial.stage(delivery) as stage:
        trial.passed(stage, await scene(stage))


@pytest.mark.parametrize("delivery", DELIVERIES)
async def test_failing_the_whole_batch_is_caught(trial: Trial, delivery: str) -> None:
    trial = trial.with_bug(bugs_outside.fails_the_whole_batch)
    async with trial.stage(delivery) as stage:
        trial.caught(stage, await scene(stage), MISPLACED)


@pytest.mark.parametrize("delivery", DELIVERIES)
async def test_dropping_dead_letters_is_caught(trial: Trial, delivery: str) -> None:
    trial = trial.with_bug(bugs_outside.drops_dead_letters)
    async with trial.stage(delivery) as stage:
        trial.caught(stage, await scene(stage), oracle.LOST, MISPLACED)
