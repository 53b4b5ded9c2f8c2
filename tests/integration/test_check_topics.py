"""`check` against a broker: topics, partition counts."""

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from streamapp.act.commands import Declare, encode
from streamapp.check.broker import check_broker
from streamapp.check.control import check_control
from streamapp.check.finding import Level
from streamapp.config.load import load_pipeline
from streamapp.config.settings import ControlSettings, PipelineSettings
from streamapp.control.declared import declared_variants
from streamapp.kafka.client import connection
from streamapp.kafka.control import ControlConnection
from streamapp.kafka.control_topics import ControlTopics
from streamapp.kafka.topics import connect, create_topic
from streamapp.templates import write_starter
from tests.brokers import Broker


async def create(settings: PipelineSettings, topics: Mapping[str, int]) -> None:
    admin = await connect(connection(settings.kafka), 10)
    try:
        for topic, partitions in topics.items():
            await create_topic(admin, topic, partitions)
    finally:
        await admin.close()


@pytest.fixture
def settings(tmp_path: Path, embedded_broker: Broker, topic: Callable[[str], str]) -> PipelineSettings:
    write_starter(tmp_path)
    overrides = [
        f"kafka.bootstrap.servers={embedded_broker.bootstrap_servers}",
        f"source.topics=[{topic('payments')}]",
        f"predictions.topic={topic('predictions')}",
        f"dead_letters.topic={topic('dead')}",
        f"outcomes={{topic: {topic('labels')}, id: payment_id, label: is_fraud, score: fraud}}",
        "worker.auto_create_topics=false",
        f"name={topic('payments-pipeline')}",
    ]
    return load_pipeline(tmp_path / "pipeline.yaml", overrides)


def found(settings: PipelineSettings) -> list[tuple[Level, str, str]]:
    return [(finding.level, finding.subject, finding.message) for finding in check_broker(settings)]


def test_absent_and_unequal_topics_are_named(settings):
    assert settings.outcomes is not None
    source, labels = settings.source.topics[0], settings.outcomes.topic
    asyncio.run(create(settings, {source: 3, settings.predictions.topic: 1, labels: 2}))
    assert found(settings) == [
        (Level.OK, "broker", f"{settings.kafka.bootstrap_servers} answers"),
        (Level.OK, f"topic {source}", "3 partitions"),
        (Level.OK, f"topic {labels}", "2 partitions"),
        (Level.OK, f"topic {settings.predictions.topic}", "1 partitions"),
        (Level.ERROR, f"topic {settings.dead_letters.topic}", "does not exist"),
        (
            Level.WARNING,
            f"topic {settings.predictions.topic}",
            "has 1 partitions, the input 3: partition numbers cannot be kept",
        ),
        (
            Level.WARNING,
            f"topic {labels}",
            "has 2 partitions, the input 3: with several workers a label may reach one that has not seen the event",
        ),
    ]


def test_outputs_that_the_worker_creates_are_fine(settings):
    worker = settings.worker.model_copy(update={"auto_create_topics": True})
    settings = settings.model_copy(update={"worker": worker, "outcomes": None})
    asyncio.run(create(settings, {settings.source.topics[0]: 3}))
    assert [level for level, _, _ in found(settings)] == [Level.OK] * 4
    assert found(settings)[2][2] == "absent; the worker creates it with 3 partitions"


def test_an_absent_input_is_an_error_even_so(settings):
    worker = settings.worker.model_copy(update={"auto_create_topics": True})
    settings = settings.model_copy(update={"worker": worker, "outcomes": None})
    errors = [(subject, message) for level, subject, message in found(settings) if level is Level.ERROR]
    assert errors == [(f"topic {settings.source.topics[0]}", "does not exist")]


def test_control_topics_are_looked_at_and_not_made(settings):
    settings = settings.model_copy(update={"control": ControlSettings(registry="registry")})
    names = ControlTopics.of(settings.name)
    findings, state = check_control(settings)
    assert [(each.level, each.subject) for each in findings] == [
        (Level.OK, f"topic {name}") for name in (names.log, names.state, names.reports)
    ]
    assert all(each.message.startswith("absent; a worker creates it") for each in findings)
    assert state is None
    assert check_control(settings) == (findings, None)


def test_what_the_control_log_has_led_to_is_read(settings):
    settings = settings.model_copy(update={"control": ControlSettings(registry="registry")})

    async def declare() -> None:
        opened = ControlConnection(connection(settings.kafka), ControlTopics.of(settings.name))
        await opened.prepare(10)
        await opened.log.append(b"\x00junk")
        await opened.log.append(
            encode(Declare(id="d", by="w", at_ms=0, expects=0, variants=dict(declared_variants(settings))))
        )
        await opened.close(1)

    asyncio.run(declare())
    findings, state = check_control(settings)
    assert state is not None
    assert state.declared == declared_variants(settings)
    assert {each.level for each in findings} == {Level.OK}
    assert [each.subject for each in findings[3:]] == [f"control {name}" for name in declared_variants(settings)]


def test_a_control_log_of_several_partitions_is_an_error_and_not_read(settings):
    settings = settings.model_copy(update={"control": ControlSettings(registry="registry")})
    log = ControlTopics.of(settings.name).log
    asyncio.run(create(settings, {log: 2}))
    findings, state = check_control(settings)
    assert ((findings[0].level, findings[0].subject), state) == ((Level.ERROR, f"topic {log}"), None)


def test_exactly_once_is_refused_where_the_broker_has_no_transactions(settings):
    asyncio.run(create(settings, {settings.source.topics[0]: 3}))
    findings = check_broker(settings.model_copy(update={"delivery": "exactly_once"}))
    refused = [finding.message for finding in findings if finding.subject == "delivery"]
    assert len(refused) == 1
    assert "exactly_once is not possible with this broker: transactions are refused" in refused[0]
    assert "delivery: at_least_once" in refused[0]
