"""What a worker says of itself: which state it has in force, what it cannot serve, and what it has seen."""

import msgspec
from msgspec import Raw, Struct

from streamapp.errors import ControlError
from streamapp.types import Tenant


class Failed(Struct, frozen=True):
    """A tenant of `variant` that a worker could not load, and why."""

    variant: str
    tenant: Tenant
    reason: str


class Seen(Struct, frozen=True):
    """Evidence on a model since the place `epoch` of the log, as its own JSON document."""

    epoch: int
    document: Raw


class Report(Struct, frozen=True, kw_only=True):
    """worker: one process, for its life. revision: the place in the log up to which it has everything in force. read:
    up to which it has read, and `failed` is told; None if it does not say. loading: something that is asked for there
    is neither in force nor failed. seen: by model. leaving: it will not report again."""

    worker: str
    revision: int
    read: int | None = None
    loading: bool = True
    failed: tuple[Failed, ...] = ()
    seen: dict[str, Seen] = {}
    leaving: bool = False


def encode_report(report: Report) -> bytes:
    """As JSON."""
    return msgspec.json.encode(report)


def decode_report(value: bytes) -> Report:
    """Raises `ControlError` for what is none that this version knows."""
    try:
        return msgspec.json.decode(value, type=Report)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ControlError(f"not a report of this version of streamapp: {error}") from error
