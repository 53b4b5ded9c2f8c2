import asyncio

from streamapp.act.commands import Deploy, Start
from streamapp.act.steps import SetWeight, Wait
from streamapp.control.client import ControlClient
from streamapp.rollout.follow import Outcome, follow
from streamapp.types import Tenant


def begin(log, kind, id, version, **said):
    log.write(
        kind(
            id=id,
            by="bob",
            at_ms=log.clock.now_ms(),
            expects=log.state.models["fraud"],
            model="fraud",
            version=version,
            tenant=Tenant("champion", version),
            **said,
        )
    )


async def test_a_rollout_that_a_deployment_replaces_is_over(log):
    begin(log, Start, "r", "2", steps=(SetWeight(10), Wait(5)))
    begin(log, Deploy, "d", "4", reason="urgent")
    assert log.state.rollout("r") is None
    said = []
    async with log.open() as opened, ControlClient(opened) as client:
        outcome, rollout = await asyncio.wait_for(follow(client, "r", 2, said.append), 5)
    assert (outcome, rollout.status, rollout.reason) == (Outcome.ABORTED, "aborted", "urgent")
    assert [entry.offset for entry in said] == [2]


async def test_what_comes_after_a_rollout_s_end_does_not_hide_it(log):
    log.leads = True
    begin(log, Start, "r", "2", steps=(SetWeight(10), Wait(5)))
    async with log.open() as opened, ControlClient(opened) as client:
        assert (await asyncio.wait_for(follow(client, "r", 0, lambda _: None), 5))[0] is Outcome.PROMOTED
    begin(log, Start, "s", "3", steps=(SetWeight(10), Wait()))
    async with log.open() as opened, ControlClient(opened) as client:
        assert (await asyncio.wait_for(follow(client, "r", 0, lambda _: None), 5))[0] is Outcome.PROMOTED
        assert (await asyncio.wait_for(follow(client, "s", 0, lambda _: None), 5))[0] is Outcome.WAITS
