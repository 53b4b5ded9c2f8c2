import os
import uuid
from collections.abc import Callable, Generator, Iterator
from typing import TypeVar

import pytest

from streamapp.demo.broker import EmbeddedBroker
from tests.brokers import ApacheKafka, KafkaMissing, versions
from tests.object_store import S3Server, environment
from tests.proxied_kafka import ProxiedKafka
from tests.secure_kafka import SecureKafka

Kafka = TypeVar("Kafka", bound=ApacheKafka)
REAL_BROKERS = ("kafka_broker", "secure_kafka", "proxied_kafka")
"""Fixtures that are a real Apache Kafka, of each version in turn."""


@pytest.fixture(scope="session")
def embedded_broker() -> Iterator[EmbeddedBroker]:
    """The in-memory broker of the demo, one for the whole session."""
    with EmbeddedBroker() as broker:
        yield broker


@pytest.fixture(scope="session")
def kafka_broker(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApacheKafka]:
    """A real Apache Kafka of the version in turn. Where it cannot be had: a failure in CI, a skip elsewhere."""
    yield from _running(ApacheKafka(request.param, tmp_path_factory.mktemp(f"kafka-{request.param}")))


@pytest.fixture(scope="session")
def credulous_broker(kafka_broker: ApacheKafka, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApacheKafka]:
    """One that does not ask the coordinator about each partition that a transaction writes to, so that one can be left
    out."""
    folder = tmp_path_factory.mktemp(f"credulous-{kafka_broker.version}")
    with ApacheKafka(
        kafka_broker.version, folder, properties="transaction.partition.verification.enable=false\n"
    ) as broker:
        yield broker


@pytest.fixture(scope="session")
def secure_kafka(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecureKafka]:
    """The same with secure listeners."""
    yield from _running(SecureKafka(request.param, tmp_path_factory.mktemp(f"secure-{request.param}")))


@pytest.fixture(scope="session")
def proxied_kafka(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProxiedKafka]:
    """The same with a way to it through a proxy; one to be killed."""
    yield from _running(ProxiedKafka(request.param, tmp_path_factory.mktemp(f"proxied-{request.param}")))


def _running(broker: Kafka) -> Iterator[Kafka]:
    try:
        with broker:
            yield broker
    except KafkaMissing as missing:
        if os.environ.get("CI"):
            pytest.fail(str(missing))
        pytest.skip(str(missing))


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3Server]:
    """An object store that speaks S3, one for the whole session."""
    with S3Server() as server:
        yield server


@pytest.fixture
def s3(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> S3Server:
    """The object store, and an environment in which s3fs finds it."""
    for name, value in environment(s3_server.port).items():
        monkeypatch.setenv(name, value)
    return s3_server


@pytest.fixture
def topic() -> Callable[[str], str]:
    """`topic("events")` is a topic name that no other test uses."""
    return lambda stem: f"{stem}-{uuid.uuid4().hex[:12]}"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Every test of the real broker runs on every version, or on the newest one if it says so."""
    newest = metafunc.definition.get_closest_marker("newest_kafka") is not None
    for name in REAL_BROKERS:
        if name in metafunc.fixturenames:
            metafunc.parametrize(name, versions()[:1] if newest else versions(), indirect=True, scope="session")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test that asks for the real broker carries its marker, whether or not its author thought of it.

    Processes that share the tests (`--dist loadgroup`) have a version and kind of the broker each; what runs on the
    newest version only is for a process of its own.
    """
    for item in items:
        for name in set(REAL_BROKERS) & set(getattr(item, "fixturenames", ())):
            item.add_marker("kafka")
            if isinstance(item, pytest.Function):
                alone = item.get_closest_marker("newest_kafka") is not None
                group = f"{name} {item.callspec.params[name]}{' alone' if alone else ''}"
                item.add_marker(pytest.mark.xdist_group(group))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failed test shows the end of the broker's log."""
    report = yield
    for name in REAL_BROKERS:
        broker = getattr(item, "funcargs", {}).get(name)
        if report.failed and isinstance(broker, ApacheKafka):
            report.sections.append((f"log of Kafka {broker.version}", broker.tail()))
    return report
