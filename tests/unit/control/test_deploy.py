import asyncio

import pytest

from streamapp.act.commands import Declare, DeclaredVariant, Deploy, Start, decode
from streamapp.act.steps import SetWeight, Wait
from streamapp.control.client import ControlClient
from streamapp.control.deploy import TRIES, deploy
from streamapp.control.fold import Entry
from streamapp.errors import ControlError, ModelLoadError
from streamapp.types import Tenant
from tests.rollout_log import ScriptedLog

DECLARED = {
    "champion": DeclaredVariant("champion", "fraud", "1", 1.0, 0.0),
    "champion-canary": DeclaredVariant("champion", "fraud", "1", 0.0, 0.0),
}


@pytest.fixture
def log() -> ScriptedLog:
    log = ScriptedLog()
    log.write(Declare(id="c0", by="w1", at_ms=0, expects=0, variants=DECLARED))
    return log


async def deployed(log: ScriptedLog, version: str) -> Entry:
    async with log.open() as opened, ControlClient(opened) as client:
        tenant = Tenant("champion", version)
        return await asyncio.wait_for(
            deploy(client, "fraud", version, tenant, "it is on fire", by="ann@host", clock=log.clock), 5
        )


def faster(log: ScriptedLog, times: int) -> None:
    """Somebody changes the model just before each of the next `times` commands arrives."""
    versions = iter(range(100, 100 + times))

    def first() -> None:
        version = str(next(versions, ""))
        if version:
            log.write(
                Deploy(
                    id=f"f{version}",
                    by="bob",
                    at_ms=0,
                    expects=log.state.models["fraud"],
                    model="fraud",
                    version=version,
                    tenant=Tenant("champion", version),
                )
            )

    log.before_append = first


async def test_it_ends_a_rollout(log):
    steps = (SetWeight(10), Wait())
    expects = log.state.models["fraud"]
    said = {"model": "fraud", "version": "2", "tenant": Tenant("champion", "2"), "steps": steps}
    log.write(Start(id="r", by="bob", at_ms=0, expects=expects, **said))
    assert (await deployed(log, "3")).refusal == ""
    assert log.state.rollouts["fraud"].version == "3"
    assert log.state.tenants["champion-canary"] == Tenant("champion", "3")


@pytest.mark.parametrize("times", [1, 3, TRIES - 1])
async def test_it_gets_through_although_somebody_is_faster(log, times):
    faster(log, times)
    assert (await deployed(log, "3")).refusal == ""
    assert log.state.tenants["champion-canary"] == Tenant("champion", "3")


async def test_it_gives_up_on_somebody_who_never_stops(log):
    faster(log, TRIES)
    assert "somebody was faster" in (await deployed(log, "3")).refusal


async def test_what_is_wrong_for_good_is_sent_once(log):
    async with log.open() as opened, ControlClient(opened) as client:
        tenant = Tenant("nobody", "3")
        entry = await deploy(client, "fraud", "3", tenant, "", by="ann@host", clock=log.clock)
    assert entry.refusal == "model `fraud` has no variant `nobody` whose wiring could be taken"
    assert [type(decode(value)) for _, value in log.records] == [Declare, Deploy]


async def test_a_log_that_is_lost_is_told_and_not_waited_for(log):
    log.dies_at = 1
    async with log.open() as opened, ControlClient(opened) as client:
        await opened.append(b"{}")
        with pytest.raises(ModelLoadError, match="the log is gone"):
            await asyncio.wait_for(client.changed(1), 5)


async def test_a_client_that_was_not_entered_says_so():
    with pytest.raises(ControlError, match="is not open"):
        await ControlClient(ScriptedLog()).changed(0)
