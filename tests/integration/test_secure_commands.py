"""`streamapp check` and `streamapp run` over secure connections: what they say, how they end, where they listen."""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import psutil
import pytest
import yaml
from confluent_kafka.admin import AclOperation

from streamapp.demo.child import ChildProcess, python
from tests.brokers import Broker, free_ports
from tests.integration.secure_cases import PATIENCE_S, environment, streamapp, wait_until_said, write_pipeline
from tests.kafka_io import Outgoing, create_topics, produce, read_all
from tests.secure_kafka import PASSWORD, USER, SecureKafka
from tests.secure_ways import scram


@pytest.fixture
def pipeline(tmp_path: Path, topic: Callable[[str], str]) -> Callable[..., Path]:
    return partial(write_pipeline, tmp_path, topic)


def listening(pid: int) -> list[int]:
    """Ports that a process accepts connections on."""
    connections = psutil.Process(pid).net_connections(kind="inet")
    return sorted(c.laddr.port for c in connections if c.status == psutil.CONN_LISTEN)


async def test_check_names_what_the_user_may_not_do_with_the_control_topics(
    secure_kafka: SecureKafka, pipeline: Callable[..., Path]
) -> None:
    path = pipeline(scram(secure_kafka), control={"registry": "registry"})
    name = yaml.safe_load(path.read_text())["name"]
    secure_kafka.grant("somebody-else", f"{name}.control.", AclOperation.READ)
    _, said = streamapp("check", str(path))
    hidden = "is absent, or not shown to this user: TopicAuthorizationFailedError"
    for stem in ("log", "state", "reports"):
        assert f"warning topic {name}.control.{stem}: {hidden}" in said
    await create_topics(secure_kafka.bootstrap_servers, {f"{name}.control.log": 1})
    secure_kafka.grant(USER, f"{name}.control.", AclOperation.DESCRIBE)
    _, said = streamapp("check", str(path))
    assert f"topic {name}.control.log: 1 partition, but its settings are not shown: TopicAuthorizationFailed" in said
    assert (
        f"error   topic {name}.control.log: topic {name}.control.log cannot be read: TopicAuthorizationFailed" in said
    )
    secure_kafka.grant(USER, f"{name}.control.", AclOperation.DESCRIBE_CONFIGS, AclOperation.READ)
    _, said = streamapp("check", str(path))
    assert f"error   topic {name}.control.log: has retention.ms=604800000 and would lose commands" in said
    assert "control: nothing is declared yet" in said


async def test_a_replay_says_that_it_may_not_read_what_an_earlier_one_left_open(
    secure_kafka: SecureKafka, pipeline: Callable[..., Path]
) -> None:
    path = pipeline(scram(secure_kafka))
    settings = yaml.safe_load(path.read_text())
    (events,), dead = settings["source"]["topics"], settings["dead_letters"]["topic"]
    await create_topics(secure_kafka.bootstrap_servers, {events: 1, dead: 1})
    secure_kafka.grant(USER, events, AclOperation.DESCRIBE, AclOperation.WRITE)
    status, said = streamapp("dlq", "replay", str(path))
    assert status == 2
    assert f"TopicAuthorizationFailedError: {events} may not be read: allow Read on the input topics" in said
    secure_kafka.grant(USER, events, AclOperation.READ)
    assert streamapp("dlq", "replay", str(path))[0] == 0


async def test_check_and_run_with_a_password_from_the_environment(
    secure_kafka: SecureKafka, pipeline: Callable[..., Path], tmp_path: Path
) -> None:
    path = pipeline(scram(secure_kafka))
    settings = yaml.safe_load(path.read_text())
    events, predictions = settings["source"]["topics"][0], settings["predictions"]["topic"]
    await create_topics(secure_kafka.bootstrap_servers, {events: 1})
    status, said = streamapp("check", str(path))
    assert status == 0, said
    assert f"{secure_kafka.at('SCRAM')} answers" in said
    assert PASSWORD not in said
    await produce(secure_kafka.bootstrap_servers, events, [Outgoing(b'{"id": "a", "amount": 2.5}', b"a")])
    log = tmp_path / "worker.log"
    command = python("-m", "streamapp", "run", str(path), "--log-level=debug")
    with ChildProcess(command, log=log, env=environment()) as worker:
        wait_until_said(worker, log, "is ready")
        deadline = time.monotonic() + PATIENCE_S
        while not await read_all(secure_kafka.bootstrap_servers, predictions):
            assert time.monotonic() < deadline, log.read_text()
        assert worker.stop(grace_s=PATIENCE_S) == 0
    assert PASSWORD not in log.read_text()


def test_check_says_that_the_password_is_wrong(secure_kafka: SecureKafka, pipeline: Callable[..., Path]) -> None:
    status, said = streamapp("check", str(pipeline(scram(secure_kafka))), password="wrong-secret")
    assert status == 1
    assert "does not accept user scorer by SCRAM-SHA-512: check `kafka.sasl.username`" in said
    assert "start the broker" not in said
    assert "wrong-secret" not in said


@pytest.mark.parametrize(("command", "status"), [("check", 1), ("run", 2)])
def test_sasl_in_the_clear_is_refused_before_anything_is_sent(
    pipeline: Callable[..., Path], command: str, status: int
) -> None:
    kafka = {"bootstrap.servers": "127.0.0.1:1", "security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "PLAIN"}
    ended, said = streamapp(command, str(pipeline({**kafka, "sasl.username": "u", "sasl.password": "p"})))
    assert ended == status
    assert "sends the credentials in the clear" in said
    assert "allow_plaintext_sasl: true" in said
    assert PASSWORD not in said


async def test_a_worker_listens_on_the_metrics_port_alone(
    embedded_broker: Broker, pipeline: Callable[..., Path], tmp_path: Path
) -> None:
    (port,) = free_ports(1)
    path = pipeline({"bootstrap.servers": embedded_broker.bootstrap_servers}, metrics={"port": port})
    await create_topics(embedded_broker.bootstrap_servers, {yaml.safe_load(path.read_text())["source"]["topics"][0]: 1})
    log = tmp_path / "worker.log"
    with ChildProcess(python("-m", "streamapp", "run", str(path)), log=log) as worker:
        wait_until_said(worker, log, "is ready")
        assert listening(worker.pid) == [port]
        assert psutil.Process(worker.pid).children(recursive=True) == []
