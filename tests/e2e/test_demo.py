"""The demo as a user runs it, and that what its models are served is what they were trained on."""

import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import onnxruntime
import pandas as pd
import pytest
from rich.console import Console

from streamapp.demo.child import python
from streamapp.demo.columns import CHALLENGER, CHAMPION, Vocabulary, join_features, matrix
from streamapp.demo.events import Departures
from streamapp.demo.flights import load
from streamapp.demo.journal import read_journal
from streamapp.demo.options import DemoOptions
from streamapp.demo.prepare import prepare
from streamapp.demo.workplace import Workplace
from streamapp.errors import ConfigError

_DEADLINE_S = 180


def demo(directory: Path, *arguments: str) -> list[str]:
    return python("-m", "streamapp", "demo", "--plain", "--directory", str(directory), *arguments)


def test_a_short_demo_balances(tmp_path: Path) -> None:
    done = subprocess.run(
        demo(tmp_path, "--until", "2013-03-04"), capture_output=True, text=True, timeout=_DEADLINE_S, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "events in = predictions + dead letters: balances" in done.stdout
    entries = list(read_journal(tmp_path / "journal.tsv"))
    broken = sum(1 for entry in entries if entry.fault)
    counted = {name: int(count.replace(",", "")) for name, count in re.findall(r"│ (.+?) +│ +([\d,]+) │", done.stdout)}
    assert counted["events in"] == len(entries) == 2_642
    assert counted["dead letters"] == broken == 6
    assert counted["healthy but refused"] == counted["broken but answered"] == counted["missing"] == 0


def test_a_sabotaged_version_is_taken_back(tmp_path: Path) -> None:
    done = subprocess.run(
        demo(tmp_path, "--rollback", "--until", "2013-03-22"),
        capture_output=True,
        text=True,
        timeout=_DEADLINE_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "the rollout of version 3 is aborted: step 2: failureCondition met: error_rate > 0.01 or" in done.stdout
    assert "events in = predictions + dead letters: balances" in done.stdout


@pytest.fixture
def interruptible() -> Iterator[None]:
    """What is started hears SIGINT, as from a terminal; a job in the background hands on that it is ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_ends_everything_it_started(tmp_path: Path) -> None:
    with subprocess.Popen(demo(tmp_path), stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        for line in running.stdout:
            if "answers" in line:
                break
        children = _descendants(running.pid)
        running.send_signal(signal.SIGINT)
        running.stdout.read()
        assert running.wait(_DEADLINE_S) == 130
    assert len(children) >= 3
    assert not [pid for pid in children if _alive(pid)]


def _descendants(pid: int) -> list[int]:
    listed = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    parents = [tuple(map(int, line.split())) for line in listed.splitlines()]
    found = [pid]
    for each in found:
        found += [child for child, parent in parents if parent == each]
    return found[1:]


def _alive(pid: int) -> bool:
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    return state.strip() not in ("", "Z", "Zs")


@pytest.mark.parametrize("until", ["soon", "2013-03-01", "2014-02-01"])
def test_a_date_without_data_is_refused(until: str, tmp_path: Path) -> None:
    with ExitStack() as stack, pytest.raises(ConfigError, match="--until"):
        prepare(DemoOptions(until=until), Workplace(tmp_path), Console(), stack)


_PREDICT = """
import json, sys
from pathlib import Path
import pandas as pd
from streamapp.demo.store import OnlineStore
from streamapp.pipeline import Pipeline

place = Path(sys.argv[1])
data = place / "feature_repo" / "data"
store = OnlineStore(place / "feature_repo")
weather = pd.read_parquet(data / "weather.parquet")
store.fill(pd.read_parquet(data / "planes.parquet"), weather, pd.Timestamp(sys.argv[2]))
with Pipeline.load(place / "pipeline.yaml") as pipeline:
    answers = pipeline.predict(json.loads((place / "events.json").read_text())).answers
print(json.dumps({answer["id"]: [answer["variant"], answer["scores"]["late"]] for answer in answers.values()}))
"""


def test_models_are_served_what_they_were_trained_on(tmp_path: Path) -> None:
    """The flights of one hour, scored through the pipeline's Feast store, against the joined training table."""
    place = Workplace(tmp_path)
    with ExitStack() as stack:
        prepare(DemoOptions(), place, Console(), stack)
    start = pd.Timestamp("2013-03-01 23:00", tz="UTC")
    data = load()
    departing = data.flights["scheduled"].between(start, start + pd.Timedelta(hours=1), inclusive="left")
    flights = data.flights[departing].reset_index(drop=True)
    # Both answer, as during a rollout.
    both = place.pipeline.read_text().replace("    weight: 0 ", "    weight: 1 ")
    place.pipeline.write_text(both)
    served = _served(place, flights, start)
    joined = join_features(flights, data.weather, data.planes)
    vocabulary = Vocabulary.of(data.flights)
    for variant, columns in (("champion", CHAMPION), ("challenger", CHALLENGER)):
        session = onnxruntime.InferenceSession(place.models / f"{variant}.onnx", providers=["CPUExecutionProvider"])
        (probabilities,) = session.run(["probabilities"], {"input": matrix(joined, columns, vocabulary)})
        rows = [row for row, flight_id in enumerate(flights["flight_id"]) if served[flight_id][0] == variant]
        scores = [served[flights["flight_id"][row]][1] for row in rows]
        assert len(rows) > 10
        np.testing.assert_allclose(scores, probabilities[rows, 1], atol=1e-6)


def _served(place: Workplace, flights: pd.DataFrame, start: pd.Timestamp) -> Mapping[str, tuple[str, float]]:
    import json

    departures = Departures.of(flights)
    events = [departures.event(row) for row in range(len(flights))]
    (place.directory / "events.json").write_text(json.dumps(events))
    done = subprocess.run(
        [sys.executable, "-c", _PREDICT, str(place.directory), start.isoformat()],
        capture_output=True,
        text=True,
        timeout=_DEADLINE_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answers: Mapping[str, tuple[str, float]] = json.loads(done.stdout.splitlines()[-1])
    return answers
