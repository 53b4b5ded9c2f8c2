import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from random import SystemRandom

import pytest

from tests.brokers import ApacheKafka, KafkaMissing
from tests.faults.recorder import Report
from tests.faults.size import SIZES, Size
from tests.faults.trial import Trial
from tests.faults.workplace import ROOT


def _size() -> Size:
    size = SIZES[os.environ.get("FAULTS_SIZE", "short")]
    return replace(size, runs=int(os.environ.get("FAULTS_RUNS", size.runs)))


@pytest.fixture(scope="session")
def faults_seed() -> int:
    """`FAULTS_SEED`, or one drawn at random; a run's seed is this plus its number."""
    return int(os.environ.get("FAULTS_SEED") or SystemRandom().randrange(10**6))


@pytest.fixture(scope="session")
def faults_report() -> Iterator[Report]:
    """build/faults/<size>.jsonl and .md; processes that run side by side add to what is there."""
    report = Report(ROOT / "build" / "faults", _size().name)
    if "PYTEST_XDIST_WORKER" not in os.environ:
        report.clear()
    yield report
    report.close()


@pytest.fixture(scope="session")
def shared_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], ApacheKafka]]:
    """`shared_broker(version)`: one broker of each version, started when first asked for."""
    brokers: dict[str, ApacheKafka] = {}

    def of(version: str) -> ApacheKafka:
        if version not in brokers:
            broker = ApacheKafka(version, tmp_path_factory.mktemp(f"kafka-{version}"))
            broker.start()
            brokers[version] = broker
        return brokers[version]

    yield of
    for broker in brokers.values():
        broker.stop()


@pytest.fixture
def trial(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    faults_seed: int,
    faults_report: Report,
    shared_broker: Callable[[str], ApacheKafka],
) -> Trial:
    """One run of the test's case. Prints its seed: `FAULTS_SEED=<seed - run>` does the same again."""
    run, size = request.param, _size()
    version = size.kafka[run % len(size.kafka)]
    try:
        broker = shared_broker(version)
    except KafkaMissing as missing:
        if os.environ.get("CI"):
            pytest.fail(str(missing))
        pytest.skip(str(missing))
    seed = faults_seed + run
    print(f"run {run}: seed {seed}, Kafka {version}; FAULTS_SEED={faults_seed}")
    case = request.module.__doc__.splitlines()[0].rstrip(".") if request.module.__doc__ else request.module.__name__
    return Trial(case, run, seed, size, version, broker.bootstrap_servers, tmp_path / "stage", faults_report)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Every case runs as often as the size says; a control (its name ends with `_is_caught`) once."""
    if "trial" in metafunc.fixturenames:
        runs = 1 if metafunc.function.__name__.endswith("_is_caught") else _size().runs
        metafunc.parametrize("trial", range(runs), indirect=True, ids=[f"run{run}" for run in range(runs)])


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What asks for a trial is a fault case."""
    for item in items:
        if "trial" in getattr(item, "fixturenames", ()):
            item.add_marker("faults")
