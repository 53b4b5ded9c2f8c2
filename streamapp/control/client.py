"""The control log for a command line: read to its end, and written to with the answer awaited."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Protocol

from streamapp.act.commands import AnyCommand, encode
from streamapp.act.state import State
from streamapp.control.fold import Entry, Fold
from streamapp.errors import ControlError, StreamappError

ANSWER_S = 20.0
"""A command that has not come back by then may or may not be in the log."""


class Log(Protocol):
    """`streamapp.kafka.control_log.ControlLog`, as it is used here."""

    async def append(self, value: bytes) -> int:
        """Write a record; its offset."""
        ...

    async def follow(
        self, start: int, on_record: Callable[[int, int, bytes], Awaitable[None] | None], caught_up: asyncio.Event
    ) -> None:
        """Hand over every record from offset `start` on, for ever."""
        ...


def new_id() -> str:
    """An id for a command."""
    return uuid.uuid4().hex[:12]


class ControlClient:
    """Reads the log from its beginning when it is entered; `state` and `entries` grow with it from then on."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._fold = Fold(State())
        self._arrived = asyncio.Condition()
        self._following: asyncio.Task[None] | None = None
        self.entries: list[Entry] = []
        """The history, oldest first."""

    @property
    def state(self) -> State:
        """What the log has led to."""
        return self._fold.state

    async def __aenter__(self) -> "ControlClient":
        caught_up = asyncio.Event()
        self._following = asyncio.create_task(self._log.follow(0, self._take, caught_up))
        waiting = asyncio.create_task(caught_up.wait())
        try:
            done, _ = await asyncio.wait(
                {self._following, waiting}, timeout=ANSWER_S, return_when=asyncio.FIRST_COMPLETED
            )
            if self._following in done:
                await self._following
            if not done:
                raise ControlError(f"the control log could not be read within {ANSWER_S:g} s")
        except BaseException:
            await self.__aexit__()
            raise
        finally:
            waiting.cancel()
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._following is not None:
            self._following.cancel()
            # Whoever waited for the log was told what following it ended with.
            with suppress(asyncio.CancelledError, StreamappError):
                await self._following

    async def send(self, command: AnyCommand) -> Entry:
        """Write a command and return once it was read back: `refusal` says why it had no effect.

        Raises `ControlError` if it does not come back in time; reading the history says later whether it is there.
        """
        await self._log.append(encode(command))
        try:
            return await asyncio.wait_for(self._answer(command.id), ANSWER_S)
        except asyncio.TimeoutError:
            raise ControlError(
                f"command {command.id} did not come back within {ANSWER_S:g} s: look for it in the history before "
                "sending it again"
            ) from None

    async def changed(self, known: int) -> None:
        """Return once the history is longer than `known`. Raises what following the log ended with."""
        if self._following is None:
            raise ControlError("the control log is not open")
        longer = asyncio.create_task(self._longer(known))
        try:
            await asyncio.wait({longer, self._following}, return_when=asyncio.FIRST_COMPLETED)
            if not longer.done():
                await self._following
                raise ControlError("the control log is not followed any more")
        finally:
            longer.cancel()

    async def _longer(self, known: int) -> None:
        async with self._arrived:
            await self._arrived.wait_for(lambda: len(self.entries) > known)

    async def _answer(self, id: str) -> Entry:
        known = 0
        while True:
            for entry in self.entries[known:]:
                if entry.command is not None and entry.command.id == id:
                    return entry
            known = len(self.entries)
            await self.changed(known)

    async def _take(self, offset: int, at_ms: int, value: bytes) -> None:
        async with self._arrived:
            self.entries.append(self._fold.take(offset, at_ms, value))
            self._arrived.notify_all()
