import json

import pytest

from streamapp.act.commands import Abort, Advance, Declare, Promote, Start, encode
from streamapp.act.state import LOADING
from streamapp.act.steps import SetWeight, Wait
from streamapp.buckets import bucket
from streamapp.collect.dealing import SETTLE_MS, Arms, dealing_of, dealt_by_log
from streamapp.errors import ConfigError
from streamapp.types import Tenant
from tests.act_log import CANARY, MemoryLog
from tests.collected import Field, Record

VERSIONS = Arms(("1", "2"), True, "scorer")
STABLE, CANDIDATE = "champion", "champion-canary"


class Log:
    """A control log with a command every 10 s; a rollout to version 2 by 10 %, 50 %, promoted."""

    def __init__(self) -> None:
        self.memory = MemoryLog()
        self.times_ms: list[int] = []

    def write(self, kind, **said) -> None:
        self.times_ms.append(10_000 * (len(self.times_ms) + 1))
        assert self.memory.append(encode(kind(id=f"c{len(self.times_ms)}", by="ann", at_ms=0, **said))) is None

    def start(self) -> str:
        expects = self.memory.state.models["scorer"]
        tenant, steps = Tenant("champion", "2"), (SetWeight(10), Wait(), SetWeight(50), Wait())
        self.write(Start, expects=expects, model="scorer", version="2", tenant=tenant, steps=steps)
        return self.memory.state.rollouts["scorer"].id

    @property
    def records(self) -> list[tuple[int, int, bytes]]:
        return [(i, at_ms, v) for i, (at_ms, v) in enumerate(zip(self.times_ms, self.memory.values, strict=True))]


@pytest.fixture
def log() -> Log:
    log = Log()
    log.write(Declare, expects=0, variants=CANARY)
    id = log.start()
    log.write(Advance, rollout=id, turn=0, step=LOADING)
    log.write(Advance, rollout=id, turn=1, step=1)
    log.write(Promote, rollout=id)
    return log


def test_a_period_is_compared_where_both_versions_had_keys(log: Log) -> None:
    found = dealing_of(VERSIONS, dealt_by_log(log.records))
    assert [(p.start_ms, p.counts, p.compared) for p in found.periods] == [
        (10_000, (10_000, 0), False),
        (20_000, (10_000, 0), False),
        (30_000, (9_000, 1_000), True),
        (40_000, (5_000, 5_000), True),
        (50_000, (0, 10_000), False),
    ]
    assert found.periods[2].weights(VERSIONS) == {"1": 0.9, "2": 0.1}
    # What was refused, or cannot be read, changes nothing.
    abort = encode(Abort(id="late", by="ann", at_ms=0, rollout="none"))
    again = dealing_of(VERSIONS, dealt_by_log([*log.records, (9, 60_000, abort), (10, 70_000, b"?")]))
    assert len(again.periods) == len(found.periods)


def test_a_variant_that_gets_another_version_begins_a_period(log: Log) -> None:
    found = dealing_of(Arms((STABLE, CANDIDATE), False, "scorer"), dealt_by_log(log.records))
    assert [(p.start_ms, p.counts) for p in found.periods][2:] == [
        (30_000, (9_000, 1_000)),
        (40_000, (5_000, 5_000)),
        (50_000, (10_000, 0)),
    ]


@pytest.fixture
def controlled(field: Field, log: Log) -> Field:
    field.pipeline = {
        "control": {"registry": "models"},
        "variants": {"champion": field.settings.variants["old"].model_dump()},
    }
    field.plan = {"compare": "version", "variants": ["1", "2"], "control": "1"}
    field.topics["pay.control.log"] = [Record(0, offset, at_ms, value) for offset, at_ms, value in log.records]
    return field


def test_weights_change_with_the_log_and_exposures_around_a_change_are_left_out(controlled: Field) -> None:
    moved = next(u for u in map(str, range(10_000)) if 5_000 <= bucket(u, "pay") < 9_000)
    times_ms = (25_000, 31_500, 40_500, 41_500, 55_000)
    by = ((STABLE, "1"), (STABLE, "1"), (STABLE, "1"), (CANDIDATE, "2"), (STABLE, "2"))
    for number, (at_ms, who) in enumerate(zip(times_ms, by, strict=True)):
        controlled.event(number, moved, 0)
        controlled.answer(number, at_ms, who)
        controlled.label(number, at_ms + 1)
    assert [{k: v for k, v in line.items() if k != "unit"} for line in controlled.lines() if "values" not in line] == [
        {"weights": {"1": 0.5, "2": 0.5}, "time": 41_500},
        {"until": 10**12},
    ]
    lines = [(line["variant"], line["time"]) for line in controlled.lines() if "values" in line]
    assert lines == [("1", 31_500), ("1", 31_501), ("2", 41_500), ("2", 41_501)]
    header = json.loads(next(controlled.collected().lines))
    assert header["variants"] == {"1": 0.9, "2": 0.1}
    assert [note for note in controlled.collected().notes if note.startswith("left out")] == [
        "left out: 2 while not all variants of the plan had keys",
        "left out: 1 within a second of a change of keys",
    ]
    assert SETTLE_MS == 1_000


def test_a_constant_that_stood_in_belongs_to_the_version_that_would_have_answered(controlled: Field) -> None:
    for number, (variant, at_ms) in enumerate(((STABLE, 32_000), (CANDIDATE, 33_000))):
        controlled.event(number, f"u{number}", 0)
        controlled.answer(number, at_ms, (variant, ""), fallback="deadline")
        controlled.label(number, at_ms + 1)
    assert [line["variant"] for line in controlled.lines() if line.get("values") == {}] == ["1", "2"]


def test_with_event_time_an_exposure_out_of_order_around_a_change_is_left_out(controlled: Field) -> None:
    controlled.plan |= {"clock": "event_time"}
    for number, (at_ms, event_ms) in enumerate(((35_000, 100), (36_000, 300), (45_000, 200), (46_000, 250))):
        controlled.event(number, f"u{number}", 0)
        controlled.answer(number, at_ms, (STABLE, "1"), event_time=event_ms)
        controlled.label(number, event_ms)
    lines = controlled.lines()
    assert [line["time"] for line in lines if line.get("values") == {}] == [100, 200, 250]
    assert [line["time"] for line in lines if "weights" in line] == [200]
    assert any("1 out of order around a change" in note for note in controlled.collected().notes)


@pytest.mark.parametrize(
    ("plan", "said"),
    [
        ({"variants": ["1", "3"]}, "version of `scorer` 3 never served; the control log has 1, 2"),
        ({"variants": ["1", "2"], "span": True}, "1 and 2 never had keys at the same time: last 1 100 %, 2 0 %"),
    ],
)
def test_versions_that_cannot_be_compared_are_refused(controlled: Field, plan, said) -> None:
    if plan.pop("span", False):
        controlled.topics["pay.control.log"] = controlled.topics["pay.control.log"][:2]
    controlled.plan |= plan
    controlled.event(0, "a", 0)
    controlled.answer(0, 35_000, (STABLE, "1"))
    with pytest.raises(ConfigError, match=said):
        controlled.collected()


def test_before_any_worker_there_is_nothing(controlled: Field) -> None:
    controlled.topics["pay.control.log"] = []
    with pytest.raises(ConfigError, match="nothing yet: start a worker"):
        controlled.collected()
