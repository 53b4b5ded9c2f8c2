"""A worker's part in control, as its metrics tell it."""

import threading
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest

from streamapp.act.analysis import Result
from streamapp.act.commands import Abort, Advance, Command, Declare, Measured, Pause, Promote, Resume
from streamapp.act.state import LOADING
from streamapp.act.steps import Analyse, SetShadow, SetWeight, Wait
from streamapp.control.client import ControlClient, new_id
from streamapp.control.readings import PHASES, control_readings, phase_of
from streamapp.observe.families import FAMILIES
from streamapp.observe.tallies import Labels
from tests.act_log import CANARY, MemoryLog
from tests.control_memory import Ground, Hand
from tests.unit.control.test_duty import start


@pytest.fixture
async def ground() -> Ground:
    return Ground()


@pytest.fixture
async def hands(ground: Ground) -> AsyncIterator[list[Hand]]:
    """A leader and another worker."""
    started = [await Hand(ground, CANARY, leads=leads).start() for leads in (True, False)]
    yield started
    for hand in started:
        await hand.die()


def read(hand: Hand, family: str) -> Mapping[Labels, float]:
    return control_readings(hand.duty)()[f"streamapp_{family}"]


def phase(hand: Hand) -> str:
    (found,) = (labels[1] for labels, value in read(hand, "rollout_phase").items() if value)
    return found


def command(kind: type[Command], **said: Any) -> Any:
    return kind(id=new_id(), by="ann", at_ms=0, **said)


async def test_both_workers_say_the_same_but_who_leads(ground: Ground, hands: list[Hand]) -> None:
    assert [read(hand, "control_leader") for hand in hands] == [{(): 1.0}, {(): 0.0}]
    async with ControlClient(ground.topic) as client:
        assert [read(hand, "rollout_phase") for hand in hands] == [{}, {}]
        rollout = await start(client, ground, "2", SetShadow(50), Wait())
        for hand in hands:
            await hand.until(lambda hand=hand: hand.duty.revision == client.state.revision == 3)
            assert (read(hand, "control_revision"), read(hand, "control_log_revision")) == ({(): 3}, {(): 3})
            assert set(read(hand, "rollout_phase")) == {("scorer", phase) for phase in PHASES}
            assert phase(hand) == "waiting"
            assert (read(hand, "rollout_step"), read(hand, "rollout_steps")) == ({("scorer",): 2}, {("scorer",): 2})
        await client.send(command(Promote, rollout=rollout))
        for hand in hands:
            await hand.until(lambda hand=hand: hand.duty.revision == 4)
            assert phase(hand) == "promoted"


async def test_what_a_worker_cannot_load_is_counted_and_not_in_force(ground: Ground, hands: list[Hand]) -> None:
    good, bad = hands
    bad.shelf.torn.add("2")
    async with ControlClient(ground.topic) as client:
        await start(client, ground)
        await good.until(lambda: client.state.rollouts["scorer"].over)
        await bad.until(lambda: bad.duty.revision == client.state.revision)
    assert read(good, "control_load_failures_total") == {(): 0}
    assert read(bad, "control_load_failures_total") == {(): 1}
    assert phase(bad) == "aborted"


async def test_what_is_in_force_stays_behind_while_a_version_loads(ground: Ground, hands: list[Hand]) -> None:
    slow = hands[1]
    held = slow.shelf.held["2"] = threading.Event()
    async with ControlClient(ground.topic) as client:
        await start(client, ground)
        await slow.until(lambda: read(slow, "control_log_revision") == {(): 2})
        assert (read(slow, "control_revision"), phase(slow)) == ({(): 1}, "loading")
        assert read(slow, "rollout_step") == {("scorer",): 0}
        held.set()
        await slow.until(lambda: slow.duty.revision == client.state.revision == 3)


async def test_only_commands_that_come_while_it_follows_are_counted(ground: Ground, hands: list[Hand]) -> None:
    async with ControlClient(ground.topic) as client:
        rollout = await start(client, ground)
        await hands[0].until(lambda: client.state.rollouts["scorer"].step == 1)
        await client.send(command(Abort, rollout="none"))
        await ground.topic.append(b"junk")
        late = await Hand(ground, CANARY).start()
        await client.send(command(Abort, rollout=rollout))
        await client.send(command(Abort, rollout=rollout))
        await late.until(lambda: late.duty.refused == 1)
        assert read(late, "control_commands_total") == {("applied",): 1, ("refused",): 1}
        # Start, loaded and the abort; an unknown rollout, what is no command, and the second abort.
        await hands[1].until(lambda: hands[1].duty.refused == 3)
        assert read(hands[1], "control_commands_total") == {("applied",): 3, ("refused",): 3}
        await late.die()


async def test_it_gives_what_the_catalogue_names(ground: Ground, hands: list[Hand]) -> None:
    async with ControlClient(ground.topic) as client:
        await start(client, ground)
        for name, readings in control_readings(hands[0].duty)().items():
            assert {len(labels) for labels in readings} <= {len(FAMILIES[name].labels)}
    for label in (*PHASES, "applied", "refused"):
        families = (FAMILIES["streamapp_rollout_phase"], FAMILIES["streamapp_control_commands_total"])
        assert any(label in family.meaning for family in families)


def test_the_phases_of_a_rollout() -> None:
    log = MemoryLog()
    assert log.write(Declare, expects=0, variants=CANARY) is None
    steps = (SetWeight(10), Wait(5), Wait(), Analyse(1, 1, failure="error_rate > 0.1"))

    def seen(kind: type[Command], **said: Any) -> str:
        assert log.write(kind, rollout=rollout, **said) is None
        found = log.state.rollout(rollout)
        assert found is not None
        return phase_of(found)

    rollout = log.start(*steps).id
    assert phase_of(log.state.rollouts["scorer"]) == "loading"
    assert seen(Pause, turn=0) == "paused"
    assert seen(Resume, turn=1) == "loading"
    assert seen(Advance, turn=2, step=LOADING) == "progressing"
    assert seen(Advance, turn=2, step=1) == "waiting"
    assert seen(Resume, turn=3) == "progressing"
    look = {"turn": 4, "step": 3, "number": 1, "reason": "", "evidence": {}}
    assert seen(Measured, result=Result.INCONCLUSIVE, **look) == "paused"
    assert seen(Abort) == "aborted"
    rollout = log.start(*steps).id
    assert seen(Promote) == "loading"
    assert seen(Advance, turn=1, step=LOADING) == "promoted"
