"""A rollout on real Kafka, compared as an experiment: weights change by the control log, and versions change places."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from streamapp.act.steps import SetWeight, Wait
from streamapp.clock import SystemClock
from streamapp.collect.gather import Span
from streamapp.collect.load import load_plan
from streamapp.collect.run import collect
from streamapp.config.load import load_pipeline
from streamapp.experiment.read import read
from streamapp.experiment.report import report
from tests.brokers import ApacheKafka
from tests.integration.rollout_field import Field

PLAN = {
    "experiment": "rollout",
    "compare": "version",
    "variants": ["1", "2"],
    "control": "1",
    "metrics": {"score": {"from": "score:score"}, "waited": {"from": "latency_ms", "better": "lower"}},
    "window_s": 0.2,
}


@pytest.fixture
async def ground(kafka_broker: ApacheKafka, tmp_path: Path, topic: Callable[[str], str]) -> AsyncIterator[Field]:
    found = Field(kafka_broker.bootstrap_servers, tmp_path, topic)
    await found.create()
    yield found
    found.close()


@pytest.mark.newest_kafka
async def test_weights_follow_the_control_log(ground: Field) -> None:
    ground.put("2")
    await ground.started(1)
    async with ground.feeding(), ground.control() as client:
        steps = (SetWeight(20), Wait(2.5), SetWeight(60), Wait(2.5))
        await ground.roll_out(client, "2", *steps)
        rollout = await ground.until(client, lambda r: r.over)
        assert rollout.status == "promoted"
        await asyncio.sleep(0.5)
    answers = await ground.answers()
    plan = ground.folder / "plan.json"
    plan.write_text(json.dumps(PLAN))
    settings = load_pipeline(ground.pipeline)
    span = Span(0, SystemClock().now_ms())
    found = await asyncio.to_thread(collect, settings, ground.folder, load_plan(plan, settings), span, 100)
    lines = list(found.lines)
    header, *rest = map(json.loads, lines)
    assert header["variants"] == {"1": 0.8, "2": 0.2}
    assert [line["weights"] for line in rest if "weights" in line] == [{"1": 0.4, "2": 0.6}]
    # Every answer is told of or accounted for, and none was by whom the log did not have in force.
    told = [line for line in rest if "unit" in line]
    left = sum(int(note.split()[2].replace(",", "")) for note in found.notes if note.startswith("left out"))
    assert len(told) + left == len(answers.predictions) == ground.fed
    assert not any("dealt to" in note for note in found.notes)
    said = {value["id"]: value["model_version"] for _, value in answers.predictions}
    assert all(line["variant"] == said[line["unit"]] for line in told)
    seen = report(*read(lines, "lines"))
    assert not seen.alarm
    assert [sum(period.counts.values()) > 500 for period in seen.sample_ratio.periods] == [True, True]
    score = seen.comparisons["score", "2"]
    # The windows of the last units closed while one version had all the keys again.
    assert (seen.tally.open, score.control.mean, score.treatment.mean) == (0, 11.0, 21.0)
    assert score.control.n + score.treatment.n == sum(seen.sample_ratio.periods[-1].counts.values())
