"""One version at once, whoever else is at work."""

from streamapp.act.commands import Deploy
from streamapp.control.client import ControlClient, new_id
from streamapp.control.fold import Entry
from streamapp.protocols import Clock
from streamapp.types import Tenant

TRIES = 10
"""Somebody who is faster this often is in a loop."""


async def deploy(
    client: ControlClient, model: str, version: str, tenant: Tenant, reason: str, *, by: str, clock: Clock
) -> Entry:
    """Let `tenant`, which is version `version` of `model`, answer everything that the model answers; a rollout of the
    model ends with this.

    A rollback must get through: where somebody changes the model between our look at it and our command, which voids
    the command, we look again and send another. Returns the last one's fate: its `refusal` is "" if it took effect.
    Raises `ControlError` if a command does not come back.
    """
    for _ in range(TRIES):
        expects = client.state.models.get(model, 0)
        command = Deploy(
            id=new_id(),
            by=by,
            at_ms=clock.now_ms(),
            expects=expects,
            model=model,
            version=version,
            tenant=tenant,
            reason=reason,
        )
        entry = await client.send(command)
        if not entry.refusal or client.state.models.get(model, 0) == expects:
            break
    return entry
