"""A rollout, watched until it is over or waits for a person."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from enum import IntEnum

from msgspec.structs import replace

from streamapp.act.apply import Refusal, apply
from streamapp.act.commands import Aliased, Declare, Deploy
from streamapp.act.state import ABORTED, PROMOTED, Rollout, State
from streamapp.control.client import ControlClient
from streamapp.control.fold import Entry

ALIAS_S = 5.0


class Outcome(IntEnum):
    """What following came to; the value is the exit status."""

    PROMOTED = 0
    ABORTED = 1
    WAITS = 3
    TIMED_OUT = 4


async def follow(client: ControlClient, id: str, seen: int, say: Callable[[Entry], None]) -> tuple[Outcome, Rollout]:
    """Follow rollout `id`, which is in the history, and return how it stands when it is over, or waits for a person and
    nothing newer is in the log. Every record about it from the `seen`-th of the history on is said, as it comes.

    The history is folded once more, as the client's state may have gone on to the next rollout. Raises `ControlError`
    when the log cannot be followed any more.
    """
    state, rollout, known = State(), None, 0
    while True:
        for entry in client.entries[known:]:
            known += 1
            if entry.command is None or entry.refusal:
                continue
            after = apply(state, entry.command, entry.offset + 1, entry.at_ms)
            if isinstance(after, Refusal):
                continue
            state, rollout = after, after.rollout(id) or _superseded(rollout, entry)
            if known > seen and _about(entry, id, rollout):
                say(entry)
            if rollout is not None and rollout.over:
                return (Outcome.PROMOTED if rollout.status == PROMOTED else Outcome.ABORTED), rollout
        if rollout is not None and rollout.waits:
            return Outcome.WAITS, rollout
        await client.changed(known)


async def until_aliased(client: ControlClient, rollout: Rollout, say: Callable[[Entry], None]) -> None:
    """Say what became of the registry's alias after this rollout's promotion, for which at most `ALIAS_S` seconds are
    waited: the registry may be away, and nobody may lead."""
    with suppress(asyncio.TimeoutError):
        await asyncio.wait_for(_until_aliased(client, rollout, say), ALIAS_S)


async def _until_aliased(client: ControlClient, rollout: Rollout, say: Callable[[Entry], None]) -> None:
    known = 0
    promotion = client.state.promotions.get(rollout.model)
    while promotion is not None and promotion.id == rollout.id:
        for entry in client.entries[known:]:
            known += 1
            command = entry.command
            if isinstance(command, Aliased) and command.promotion == promotion.revision and not entry.refusal:
                say(entry)
                return
        await client.changed(known)
        promotion = client.state.promotions.get(rollout.model)


def _superseded(rollout: Rollout | None, entry: Entry) -> Rollout | None:
    """A rollout that is not in the state any more while it was under way: a version that must be loaded first was
    deployed in its place, by this record."""
    if rollout is None or rollout.over or not isinstance(entry.command, Deploy):
        return rollout
    command = entry.command
    reason = command.reason or f"version {command.version} was deployed by {command.by}"
    return replace(rollout, status=ABORTED, reason=reason)


def _about(entry: Entry, id: str, rollout: Rollout | None) -> bool:
    command = entry.command
    if command is None or isinstance(command, Declare | Aliased):
        return False
    if getattr(command, "rollout", command.id) == id:
        return True
    # Another version deployed at once ends it.
    return rollout is not None and getattr(command, "model", None) == rollout.model
