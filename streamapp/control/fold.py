"""The control log folded as it is read, and every command's fate."""

from dataclasses import dataclass

from streamapp.act.apply import Refusal, apply
from streamapp.act.commands import AnyCommand, decode
from streamapp.act.state import State
from streamapp.errors import ControlError, UnknownFormat


@dataclass(frozen=True, slots=True)
class Entry:
    """A record of the control log. at_ms: the broker's timestamp. command is None for what is no command of this
    version. refusal: why it had no effect, "" if it had."""

    offset: int
    at_ms: int
    command: AnyCommand | None
    refusal: str


class Fold:
    """The state, record by record."""

    def __init__(self, state: State) -> None:
        self.state = state

    def take(self, offset: int, at_ms: int, value: bytes) -> Entry:
        """Fold one record in. What cannot be read has no effect, like what is refused.

        Raises `UnknownFormat` for a command that a newer version of streamapp folds, and this one cannot.
        """
        try:
            command = decode(value)
        except UnknownFormat as error:
            raise UnknownFormat(f"the command at {offset} of the control log cannot be followed: {error}") from error
        except ControlError as error:
            return Entry(offset, at_ms, None, str(error))
        after = apply(self.state, command, offset + 1, at_ms)
        if isinstance(after, Refusal):
            return Entry(offset, at_ms, command, after.reason)
        self.state = after
        return Entry(offset, at_ms, command, "")
