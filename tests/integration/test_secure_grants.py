"""`delivery: exactly_once` with ACLs: what the user of a worker needs, all of which is said where it is missing."""

import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import yaml
from confluent_kafka.admin import AclOperation, ResourcePatternType, ResourceType

from streamapp.demo.child import ChildProcess, python
from tests.integration.secure_cases import PATIENCE_S, environment, streamapp, wait_until_said, write_pipeline
from tests.kafka_io import Outgoing, create_topics, produce, read_all
from tests.secure_kafka import USER, SecureKafka
from tests.secure_ways import scram

PARTITIONS, EVENTS = 2, 200
GROUP, TOPIC, ID = ResourceType.GROUP, ResourceType.TOPIC, ResourceType.TRANSACTIONAL_ID
READ, WRITE, DESCRIBE = AclOperation.READ, AclOperation.WRITE, AclOperation.DESCRIBE
GRANTS = [
    ("group", READ),
    ("ids", WRITE),
    ("events", READ),
    ("predictions", READ),
    ("predictions", WRITE),
    ("dead", READ),
    ("dead", WRITE),
]
"""What docs/security.md lists."""

Grant = tuple[str, AclOperation]


class Granting:
    """A pipeline, and a broker that lets its user do nothing with it but what is granted."""

    def __init__(self, kafka: SecureKafka, path: Path) -> None:
        self._kafka, self.path = kafka, path
        settings = yaml.safe_load(path.read_text())
        self.events, self.predictions = settings["source"]["topics"][0], settings["predictions"]["topic"]
        self.dead = settings["dead_letters"]["topic"]
        self.group = settings["name"]
        self._places = {
            "group": (GROUP, self.group, ResourcePatternType.LITERAL),
            "ids": (ID, f"{self.group}:", ResourcePatternType.PREFIXED),
            "events": (TOPIC, self.events, ResourcePatternType.LITERAL),
            "predictions": (TOPIC, self.predictions, ResourcePatternType.LITERAL),
            "dead": (TOPIC, self.dead, ResourcePatternType.LITERAL),
        }
        # Where somebody was granted something, everybody else needs a grant.
        for kind, name, pattern in self._places.values():
            kafka.allow("somebody-else", kind, name, READ if kind is not ID else WRITE, pattern)

    def grant(self, place: str, operation: AclOperation) -> None:
        kind, name, pattern = self._places[place]
        self._kafka.allow(USER, kind, name, operation, pattern)


@pytest.fixture
async def granting(secure_kafka: SecureKafka, tmp_path: Path, topic: Callable[[str], str]) -> AsyncIterator[Granting]:
    exactly = {"delivery": "exactly_once", "worker": {"commit_interval_s": 0.2, "broker_wait_s": 60}}
    found = Granting(secure_kafka, write_pipeline(tmp_path, topic, scram(secure_kafka), **exactly))
    topics = dict.fromkeys((found.events, found.predictions, found.dead), PARTITIONS)
    await create_topics(secure_kafka.bootstrap_servers, topics)
    cluster = secure_kafka.allow("somebody-else", ResourceType.BROKER, "kafka-cluster", DESCRIBE)
    yield found
    secure_kafka.forget(cluster)


@pytest.mark.parametrize(
    ("missing", "said"),
    [
        (("ids", WRITE), "Write on transactional ids that begin with {group}:"),
        (("group", READ), "Read on group {group}"),
        (("events", READ), "Read on topic {events}"),
        (("predictions", WRITE), "Write on topic {predictions}"),
        (("predictions", READ), "Read on topic {predictions}"),
        (("dead", WRITE), "Write on topic {dead}"),
    ],
)
def test_what_is_not_granted_is_named_before_anything_is_taken(granting: Granting, missing: Grant, said: str) -> None:
    for grant in GRANTS:
        if grant != missing:
            granting.grant(*grant)
    if missing[0] != "ids":
        granting.grant(missing[0], DESCRIBE)
    lacks = f"who lacks {said.format(**vars(granting))}: grant it"
    for command in ("check", "run"):
        status, found = streamapp(command, str(granting.path))
        assert status == 1, found
        assert lacks in found
    assert "is ready" not in found


def test_everything_that_is_not_granted_is_named_at_once(granting: Granting) -> None:
    for grant in [("ids", WRITE), *((place, DESCRIBE) for place in ("group", "events", "predictions", "dead"))]:
        granting.grant(*grant)
    _, found = streamapp("check", str(granting.path))
    names = {"group": granting.group, "events": granting.events, "predictions": granting.predictions}
    names["dead"] = granting.dead
    for place, operation in GRANTS:
        if place in names:
            kind = "group" if place == "group" else "topic"
            assert f"{operation.name.title()} on {kind} {names[place]}" in found


async def test_with_what_is_documented_a_worker_answers_exactly_once(
    secure_kafka: SecureKafka, granting: Granting, tmp_path: Path
) -> None:
    for grant in GRANTS:
        granting.grant(*grant)
    status, found = streamapp("check", str(granting.path))
    assert status == 0, found
    events = [Outgoing(b'{"id": "%d", "amount": 2.5}' % i, b"%d" % i, i % PARTITIONS) for i in range(EVENTS)]
    servers = secure_kafka.bootstrap_servers
    for first in (0, EVENTS // 2):
        await produce(servers, granting.events, events[first : first + EVENTS // 2])
        log = tmp_path / f"worker-{first}.log"
        with ChildProcess(python("-m", "streamapp", "run", str(granting.path)), log=log, env=environment()) as worker:
            wait_until_said(worker, log, "is ready")
            while len(await read_all(servers, granting.predictions, committed_only=True)) < first + EVENTS // 2:
                assert not worker.wait(0.1), log.read_text()
            assert worker.stop(grace_s=PATIENCE_S) == 0
    answers = await read_all(servers, granting.predictions, committed_only=True)
    assert len(answers) == EVENTS == len({json.loads(answer.value)["id"] for answer in answers})
