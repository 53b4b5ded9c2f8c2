"""What a check found."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from streamapp.errors import StreamappError


class Level(Enum):
    """How bad it is: a warning lets the worker start."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at: what it is, what was found, what to do about it."""

    level: Level
    subject: str
    message: str
    remedy: str = ""


def ok(subject: str, message: str) -> Finding:
    """Nothing to do."""
    return Finding(Level.OK, subject, message)


def warning(subject: str, message: str, remedy: str) -> Finding:
    """The worker can start, but look at this."""
    return Finding(Level.WARNING, subject, message, remedy)


def error(subject: str, message: str, remedy: str = "") -> Finding:
    """The worker cannot start."""
    return Finding(Level.ERROR, subject, message, remedy)


def attempt(subject: str, check: Callable[[], str], remedy: str = "") -> Finding:
    """What `check` says if it succeeds, else the error that it raised on purpose; any other exception is a bug."""
    try:
        return ok(subject, check())
    except StreamappError as raised:
        return error(subject, str(raised), remedy)
