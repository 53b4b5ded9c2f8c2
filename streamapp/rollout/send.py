"""Commands of a person, sent and answered."""

from collections.abc import Mapping
from typing import Any

from streamapp.act.commands import Abort, AnyCommand, Declare, DeclaredVariant, Pause, Promote, Resume, Start
from streamapp.act.state import Rollout, State
from streamapp.act.steps import Step
from streamapp.control.client import ControlClient, new_id
from streamapp.errors import ControlError
from streamapp.rollout.reach import Reach
from streamapp.types import Tenant


class Sender:
    """Sends commands and returns the rollout that they were for. Raises `ControlError` with the reason of a refusal,
    and where a command does not come back."""

    def __init__(self, client: ControlClient, reach: Reach) -> None:
        self._client = client
        self._reach = reach

    async def start(self, model: str, version: str, tenant: Tenant, steps: tuple[Step, ...], reason: str) -> Rollout:
        """Begin a rollout."""
        expects = self._client.state.models.get(model, 0)
        said: dict[str, Any] = {"model": model, "version": version, "tenant": tenant, "steps": steps, "reason": reason}
        return await self._send(Start(**self._signed(), expects=expects, **said), None)

    async def pause(self, model: str, reason: str) -> Rollout:
        """Stay where we are."""
        rollout = latest(self._client.state, model)
        return await self._send(Pause(**self._signed(), rollout=rollout.id, turn=rollout.turn, reason=reason), rollout)

    async def resume(self, model: str, reason: str) -> Rollout:
        """Go on."""
        rollout = latest(self._client.state, model)
        return await self._send(Resume(**self._signed(), rollout=rollout.id, turn=rollout.turn, reason=reason), rollout)

    async def promote(self, model: str, reason: str) -> Rollout:
        """Skip what is left."""
        rollout = latest(self._client.state, model)
        return await self._send(Promote(**self._signed(), rollout=rollout.id, reason=reason), rollout)

    async def abort(self, model: str, reason: str) -> Rollout:
        """Take the candidate back."""
        rollout = latest(self._client.state, model)
        return await self._send(Abort(**self._signed(), rollout=rollout.id, reason=reason), rollout)

    async def declare(self, variants: Mapping[str, DeclaredVariant]) -> State:
        """Put a pipeline file's variants in force, also where they were replaced before; the state then."""
        state = self._client.state
        command = Declare(**self._signed(), expects=state.declaration, variants=dict(variants), again=True)
        if state.declared != command.variants and (refusal := (await self._client.send(command)).refusal):
            raise ControlError(refusal)
        return self._client.state

    async def _send(self, command: AnyCommand, rollout: Rollout | None) -> Rollout:
        entry = await self._client.send(command)
        if entry.refusal:
            raise ControlError(entry.refusal)
        after = self._client.state.rollout(command.id if rollout is None else rollout.id) or rollout
        if after is None:
            raise ControlError(f"rollout {command.id} was begun, and a newer one of its model has begun since")
        return after

    def _signed(self) -> dict[str, Any]:
        return {"id": new_id(), "by": self._reach.by, "at_ms": self._reach.clock.now_ms()}


def latest(state: State, model: str) -> Rollout:
    """The latest rollout of a model. Raises `ControlError` where there is none."""
    rollout = state.rollouts.get(model)
    if rollout is None:
        state.pair(model)
        raise ControlError(f"model `{model}` has no rollout since its variants were declared")
    return rollout
