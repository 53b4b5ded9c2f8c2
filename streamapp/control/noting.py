"""What the leader does about promotions that the registry does not know yet."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Protocol

from streamapp.act.commands import Aliased, AnyCommand
from streamapp.act.state import Promotion, State
from streamapp.control.fold import Entry
from streamapp.errors import DependencyError, RegistryForbidden, RegistryUnavailable, StreamappError
from streamapp.protocols import Clock
from streamapp.serving import in_thread

log = logging.getLogger(__name__)

ANSWER_S = 60.0
"""A registry that has not answered by then is away; what it was asked to do may be done all the same."""
PAUSE_S = 1.0
LONGEST_PAUSE_S = 60.0


class Notes(Protocol):
    """`streamapp.control.registrar.Registrar`, as it is used here."""

    def note(self, model: str, promotion: Promotion) -> str:
        """Let the registry's alias follow a promotion; what became of it. Blocking; may be done again. Raises a
        `StreamappError`, `RegistryUnavailable` where trying again may help."""
        ...


class Noting:
    """Settles promotions, each with a record in the log.

    1. What is not settled in the state is tried. Nothing else waits for that: the registry may be away.
    2. What came of it is written to the log, which settles it for every later leader. Where a leader dies before that,
       the next one does it again and finds it done.
    3. A registry that is away is put on record once, and tried again after 1, 2, 4, … 60 s. What trying again does not
       mend, such as a registry that may only be read, is settled with the reason.

    send: writes a command and returns its fate. signed: who sends, and when.
    """

    def __init__(
        self,
        notes: Notes,
        send: Callable[[AnyCommand], Awaitable[Entry]],
        signed: Callable[[], dict[str, Any]],
        clock: Clock,
    ) -> None:
        self._notes, self._send, self._signed, self._clock = notes, send, signed, clock
        self._again_s: dict[tuple[str, int], float] = {}
        self._pause_s: dict[tuple[str, int], float] = {}

    async def once(self, state: State) -> None:
        """Do what is due now."""
        for model, promotion in state.promotions.items():
            due_s = self._again_s.get((model, promotion.revision), 0.0)
            if not promotion.settled and self._clock.monotonic_s() >= due_s:
                await self._settle(model, promotion)

    async def _settle(self, model: str, promotion: Promotion) -> None:
        settled, reason = await self._try(model, promotion)
        if not settled:
            self._put_off(model, promotion)
            if promotion.reason:
                return
        said: dict[str, Any] = {"model": model, "promotion": promotion.revision, "settled": settled, "reason": reason}
        try:
            entry = await self._send(Aliased(**self._signed(), **said))
        except DependencyError as error:
            log.warning("what became of the alias of %s is not in the log yet: %s", model, error)
            return
        if entry.refusal:
            log.info("the record on the alias of %s had no effect: %s", model, entry.refusal)

    async def _try(self, model: str, promotion: Promotion) -> tuple[bool, str]:
        """Whether that is all, and what to say."""
        try:
            asked = asyncio.wrap_future(in_thread(partial(self._notes.note, model, promotion)))
            return True, await asyncio.wait_for(asked, ANSWER_S)
        except asyncio.TimeoutError:
            found: StreamappError = RegistryUnavailable(f"the registry did not answer within {ANSWER_S:g} s")
        except StreamappError as error:
            found = error
        except Exception as error:  # a storage library's own; the leader has more to do than this
            log.exception("the registry's alias of %s was not moved", model)
            found = RegistryUnavailable(f"the registry failed: {error!r}")
        away = isinstance(found, RegistryUnavailable) and not isinstance(found, RegistryForbidden)
        log.log(
            logging.INFO if away and promotion.reason else logging.WARNING,
            "version %s of %s answers, but the registry's alias was not moved%s: %s",
            promotion.version,
            model,
            ", which is tried again" if away else "",
            found,
        )
        return not away, f"not moved: {found}"

    def _put_off(self, model: str, promotion: Promotion) -> None:
        key = model, promotion.revision
        pause_s = self._pause_s.get(key, PAUSE_S)
        self._again_s[key] = self._clock.monotonic_s() + pause_s
        self._pause_s[key] = min(2 * pause_s, LONGEST_PAUSE_S)
