import os
import uuid
from collections.abc import Callable, Generator, Iterator

import pytest

from streamapp.demo.broker import EmbeddedBroker
from tests.brokers import ApacheKafka, KafkaMissing, versions


@pytest.fixture(scope="session")
def embedded_broker() -> Iterator[EmbeddedBroker]:
    """The in-memory broker of the demo, one for the whole session."""
    with EmbeddedBroker() as broker:
        yield broker


@pytest.fixture(scope="session")
def kafka_broker(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApacheKafka]:
    """A real Apache Kafka of the version in turn. Where it cannot be had: a failure in CI, a skip elsewhere."""
    try:
        with ApacheKafka(request.param, tmp_path_factory.mktemp(f"kafka-{request.param}")) as broker:
            yield broker
    except KafkaMissing as missing:
        if os.environ.get("CI"):
            pytest.fail(str(missing))
        pytest.skip(str(missing))


@pytest.fixture
def topic() -> Callable[[str], str]:
    """`topic("events")` is a topic name that no other test uses."""
    return lambda stem: f"{stem}-{uuid.uuid4().hex[:12]}"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Every test of the real broker runs on every version."""
    if "kafka_broker" in metafunc.fixturenames:
        metafunc.parametrize("kafka_broker", versions(), indirect=True, scope="session")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test that asks for the real broker carries its marker, whether or not its author thought of it."""
    for item in items:
        if "kafka_broker" in getattr(item, "fixturenames", ()):
            item.add_marker("kafka")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failed test shows the end of the broker's log."""
    report = yield
    broker = getattr(item, "funcargs", {}).get("kafka_broker")
    if report.failed and isinstance(broker, ApacheKafka):
        report.sections.append((f"log of Kafka {broker.version}", broker.tail()))
    return report
