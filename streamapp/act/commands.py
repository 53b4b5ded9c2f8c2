"""What is written to the control log: who wants what, when, and on which evidence.

A command says what it expects to find (which rollout, which step); where that does not hold any more it is void, for
everyone alike. So a command that is read twice, or sent by a leader that is no longer one, does nothing.
"""

from collections.abc import Mapping
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from streamapp.act.analysis import Result
from streamapp.act.contest import Contest
from streamapp.act.formats import FORMAT, format_of
from streamapp.act.steps import Step
from streamapp.errors import ControlError
from streamapp.types import LATEST_MS, Tenant


class Command(Struct, frozen=True, kw_only=True, tag_field="kind", tag=str.lower, forbid_unknown_fields=True):
    """id: unique. by: who sent it. at_ms: when, by the sender's clock, ms since the epoch; nothing depends on it, as
    folding takes the time at which the broker took the record. format: see `formats`."""

    format: int = FORMAT
    id: str
    by: str
    at_ms: Annotated[int, Meta(ge=0, le=LATEST_MS)]


class DeclaredVariant(Struct, frozen=True, forbid_unknown_fields=True):
    """A variant as a pipeline file has it. wiring: the declared variant whose features, inputs and outputs it has;
    another than its own name only for the canary slots, which no file lists."""

    wiring: str
    model: str
    version: str
    weight: float
    shadow: float


class Declare(Command, frozen=True, kw_only=True):
    """What the pipeline file says, written by a worker that starts. A model whose variants have changed there starts
    from the file's words again. expects: the revision of the declaration that the sender saw, 0 without one. again: a
    person says so; variants that were replaced before come back only then."""

    expects: int
    variants: dict[str, DeclaredVariant]
    again: bool = False


class Start(Command, frozen=True, kw_only=True):
    """Begin a rollout of `model`; its id is the command's. tenant: what the candidate slot is to serve. expects: the
    model's revision that the sender saw."""

    expects: int
    model: str
    version: str
    tenant: Tenant
    steps: tuple[Step, ...]
    reason: str = ""


class Measured(Command, frozen=True, kw_only=True):
    """The leader looked at the evidence for the `number`-th time in this step (from 1 on). turn: the rollout's."""

    rollout: str
    turn: int
    step: int
    number: int
    result: Result
    reason: str
    evidence: Mapping[str, float]


class Weighed(Command, frozen=True, kw_only=True):
    """The leader drew new weights for a bandit. best: the probability that the candidate is the better one.
    turn: the rollout's. contest: what it has come to. result: of the step, None while it goes on."""

    rollout: str
    turn: int
    step: int
    number: int
    weight: float
    best: float
    evidence: Mapping[str, float]
    contest: Contest
    result: Result | None
    reason: str


class Advance(Command, frozen=True, kw_only=True):
    """The pause of this step is over, or every worker has loaded the candidate. turn: the rollout's."""

    rollout: str
    turn: int
    step: int
    reason: str = ""


class Pause(Command, frozen=True, kw_only=True):
    """Stay where we are until somebody resumes. turn: the rollout's turn that the sender saw."""

    rollout: str
    turn: int
    reason: str = ""


class Resume(Command, frozen=True, kw_only=True):
    """Go on; a step that waits for a person is over with this, any other begins anew. turn: as in `Pause`."""

    rollout: str
    turn: int
    reason: str = ""


class Promote(Command, frozen=True, kw_only=True):
    """Skip what is left: the candidate answers everything, at once where every worker has loaded it, else then."""

    rollout: str
    reason: str = ""


class Abort(Command, frozen=True, kw_only=True):
    """Take the candidate back."""

    rollout: str
    reason: str = ""


class Deploy(Command, frozen=True, kw_only=True):
    """Let `tenant` answer everything that the model answers; a rollout of the model ends with this. At once where it is
    loaded, as the last good version is, else when every worker has loaded it. expects: the model's revision that the
    sender saw."""

    expects: int
    model: str
    version: str
    tenant: Tenant
    reason: str = ""


class Aliased(Command, frozen=True, kw_only=True):
    """What became of the registry's alias after a promotion of `model`. promotion: its revision. settled: nothing more
    will be tried; otherwise the leader goes on trying."""

    model: str
    promotion: int
    settled: bool
    reason: str


AnyCommand = Declare | Start | Measured | Weighed | Advance | Pause | Resume | Promote | Abort | Deploy | Aliased
_decoder: "msgspec.json.Decoder[AnyCommand]" = msgspec.json.Decoder(AnyCommand)


def encode(command: Command) -> bytes:
    """As JSON."""
    return msgspec.json.encode(command)


def decode(value: bytes) -> AnyCommand:
    """Raises `ControlError` for what is no command that this version knows, its kind `UnknownFormat` for what a newer
    one may know."""
    try:
        format_of(value)
        return _decoder.decode(value)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ControlError(f"not a command of this version of streamapp: {error}") from error
