"""What `check` says of control topics as a broker shows them, and of a log beside a file."""

import pytest

from streamapp.act.commands import Advance, Declare, DeclaredVariant, Promote, Start
from streamapp.act.state import LOADING
from streamapp.act.steps import Wait
from streamapp.check.control import compare
from streamapp.check.control_topics import topic_finding
from streamapp.check.finding import Level
from streamapp.kafka.control_topics import ControlTopics, Inspected
from streamapp.types import Tenant
from tests.act_log import MemoryLog

TOPICS = ControlTopics.of("payments")
KEPT = {"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1"}
BY_SENDERS = {"message.timestamp.type": "CreateTime"}


@pytest.mark.parametrize(
    ("topic", "found", "level", "said", "remedy"),
    [
        (TOPICS.log, Inspected(1, KEPT, ""), Level.OK, "1 partition, cleanup.policy=delete", ""),
        (
            TOPICS.log,
            Inspected(1, {**KEPT, **BY_SENDERS}, ""),
            Level.WARNING,
            "has message.timestamp.type=CreateTime, so pauses and analyses last by the clocks of those who write there",
            "kafka-configs.sh --alter --entity-type topics --entity-name payments.control.log --add-config "
            "message.timestamp.type=LogAppendTime",
        ),
        (
            TOPICS.reports,
            Inspected(1, {"cleanup.policy": "compact,delete", **BY_SENDERS}, ""),
            Level.WARNING,
            "has message.timestamp.type=CreateTime",
            "kafka-configs.sh",
        ),
        (TOPICS.state, Inspected(1, {"cleanup.policy": "compact", **BY_SENDERS}, ""), Level.OK, "1 partition", ""),
        (TOPICS.log, Inspected(1, {}, ""), Level.OK, "1 partition, cleanup.policy=not told", ""),
        (TOPICS.state, Inspected(1, {"cleanup.policy": "compact"}, ""), Level.OK, "1 partition, cleanup.policy", ""),
        (
            TOPICS.reports,
            Inspected(1, {"cleanup.policy": "compact,delete"}, ""),
            Level.OK,
            "1 partition, cleanup.policy=compact,delete",
            "",
        ),
        (
            TOPICS.log,
            Inspected(0, {}, "UnknownTopicOrPartitionError"),
            Level.OK,
            "absent; a worker creates it with 1 partition and cleanup.policy=delete, retention.ms=-1",
            "",
        ),
        (
            TOPICS.log,
            Inspected(0, {}, "TopicAuthorizationFailedError"),
            Level.WARNING,
            "is absent, or not shown to this user: TopicAuthorizationFailedError",
            "grant this user DESCRIBE, DESCRIBE_CONFIGS, READ and WRITE on it, and CREATE",
        ),
        (
            TOPICS.state,
            Inspected(1, {}, "TopicAuthorizationFailedError"),
            Level.WARNING,
            "1 partition, but its settings are not shown: TopicAuthorizationFailedError",
            "grant this user DESCRIBE",
        ),
        (TOPICS.state, Inspected(3, {}, ""), Level.ERROR, "has 3 partitions, and control needs one order", "delete it"),
        (
            TOPICS.log,
            Inspected(1, {**KEPT, "retention.ms": "604800000"}, ""),
            Level.ERROR,
            "has retention.ms=604800000 and would lose commands",
            "kafka-configs.sh --alter --entity-type topics --entity-name payments.control.log --add-config "
            "retention.ms=-1",
        ),
        (
            TOPICS.log,
            Inspected(1, {**KEPT, "cleanup.policy": "compact"}, ""),
            Level.ERROR,
            "has cleanup.policy=compact and would lose commands",
            "kafka-configs.sh",
        ),
        (
            TOPICS.state,
            Inspected(1, {"cleanup.policy": "compact,delete"}, ""),
            Level.WARNING,
            "has cleanup.policy=compact,delete, so a worker may have to read the whole log to start",
            "kafka-configs.sh",
        ),
        (
            TOPICS.reports,
            Inspected(1, {"cleanup.policy": "delete"}, ""),
            Level.WARNING,
            "has cleanup.policy=delete, so it grows without need",
            "kafka-configs.sh --alter --entity-type topics --entity-name payments.control.reports --add-config "
            "cleanup.policy=[compact,delete]",
        ),
    ],
)
def test_a_topic(topic, found, level, said, remedy):
    finding = topic_finding(TOPICS, topic, found)
    assert (finding.level, finding.subject) == (level, f"topic {topic}")
    assert finding.message.startswith(said)
    assert finding.remedy.startswith(remedy)
    assert bool(finding.remedy) is (level is not Level.OK)


def variants(version: str) -> dict[str, DeclaredVariant]:
    slots = {"champion": 1.0, "champion-canary": 0.0}
    return {name: DeclaredVariant("champion", "fraud", version, weight, 0.0) for name, weight in slots.items()}


@pytest.fixture
def log() -> MemoryLog:
    """Version 1 of the file was declared, and a rollout to 2 is under way."""
    log = MemoryLog()
    assert log.write(Declare, expects=0, variants=variants("1")) is None
    said = {"model": "fraud", "version": "2", "tenant": Tenant("champion", "2"), "steps": (Wait(),)}
    assert log.write(Start, expects=1, **said) is None
    return log


def promote(log: MemoryLog) -> None:
    assert log.write(Advance, rollout="c1", turn=0, step=LOADING) is None
    assert log.write(Promote, rollout="c1") is None


def told(log: MemoryLog, declared: dict[str, DeclaredVariant]) -> list[tuple[str, str, str]]:
    return [(each.level.value, each.subject, each.message) for each in compare(log.state, declared)]


def test_an_empty_log():
    assert told(MemoryLog(), variants("1")) == [
        ("ok", "control", "nothing is declared yet: the first worker declares this file's variants")
    ]


def test_a_file_that_was_replaced_starts_no_worker(log):
    promote(log)
    assert log.write(Declare, expects=1, variants=variants("3")) is None
    ((level, subject, message),) = told(log, variants("1"))
    assert (level, subject) == ("error", "control")
    assert message.startswith("the file's variants were in force and were replaced by those of another file")


def test_what_the_log_has_put_in_force_is_told_beside_the_file(log):
    promote(log)
    assert told(log, variants("1")) == [
        ("ok", "control champion", "fraud 2 by the control log, which goes before the file's 1"),
        ("ok", "control champion-canary", "fraud 1, by the control log and by the file"),
    ]


def test_a_changed_file_takes_over_and_that_is_a_warning(log):
    promote(log)
    ((level, subject, message),) = told(log, variants("3"))
    assert (level, subject) == ("warning", "control fraud")
    assert message == (
        "the file has variants other than those that were declared: champion 3, champion-canary 3; by the control log "
        "it is champion 2, champion-canary 1. The next worker that starts puts the file's in force"
    )


def test_a_changed_file_is_not_taken_over_while_a_rollout_is_under_way(log):
    ((level, _, message),) = told(log, variants("3"))
    assert level == "error"
    assert message.endswith("Rollout c1 is under way, so no worker starts with it")
