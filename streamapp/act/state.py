"""What the control log has led to: which version every variant serves, for which keys, and how far each rollout is."""

import hashlib
from collections.abc import Mapping
from itertools import groupby

import msgspec
import numpy as np
from msgspec import Struct

from streamapp.act.analysis import Tally
from streamapp.act.commands import DeclaredVariant
from streamapp.act.contest import Contest
from streamapp.act.formats import FORMAT, format_of
from streamapp.act.steps import Step, Wait
from streamapp.buckets import redeal
from streamapp.errors import ControlError, UnknownFormat
from streamapp.types import Int16, ServingPlan, Tenant

LOADING = -1
"""The step before the first one: every worker loads the candidate, which gets no keys before all have."""

PROGRESSING, PAUSED, PROMOTED, ABORTED = "progressing", "paused", "promoted", "aborted"


class Rollout(Struct, frozen=True, kw_only=True):
    """One rollout, under way or over.

    stable, candidate: the variants. before: what the candidate served before. step: index into `steps`, from `LOADING`
    to `len(steps)`, when they are through. weight, shadow: the candidate's, per cent. since_ms: when this step began.
    epoch: the place in the log from which evidence counts. contest: of a bandit, in this step. turn: how often it was
    paused or resumed, or came to wait for a person. reason: of what changed last.
    """

    id: str
    model: str
    version: str
    stable: str
    candidate: str
    before: Tenant
    steps: tuple[Step, ...]
    by: str
    started_ms: int
    since_ms: int
    epoch: int
    step: int = LOADING
    status: str = PROGRESSING
    weight: float = 0.0
    shadow: float = 0.0
    tally: Tally = Tally()
    measured: int = 0
    contest: Contest = Contest()
    turn: int = 0
    reason: str = ""

    @property
    def current(self) -> Step | None:
        """The step that it is in; None while loading, and once it is over."""
        return self.steps[self.step] if 0 <= self.step < len(self.steps) else None

    @property
    def over(self) -> bool:
        """Whether nothing more will come of it."""
        return self.status in (PROMOTED, ABORTED)

    @property
    def waits(self) -> bool:
        """Whether nothing goes on before a person says so."""
        return not self.over and (self.status == PAUSED or self.current == Wait(None))


class Promotion(Struct, frozen=True, kw_only=True):
    """A version that came to answer all that its model answers, and what became of the registry's alias.

    id, by, since_ms: of the rollout or deployment that led to it, and when that was begun. revision: the place in the
    log at which it was promoted. before: the version that answered until then. settled: nothing more will be done about
    the alias. reason: what was said about it last, "" before the first time.
    """

    id: str
    by: str
    since_ms: int
    revision: int
    version: str
    before: str
    settled: bool = False
    reason: str = ""


class State(Struct, frozen=True, kw_only=True):
    """revision: the place in the log after the last command that took effect. declaration: that of what is declared.
    replaced: digests of what was declared before, the latest last: older pipeline files, which do not come back by
    themselves. declared, tenants, weights, shadows: by variant, in the order of every per-variant tuple. models: model
    -> revision of its last start, end or deployment. rollouts: model -> its latest rollout. promotions: model -> its
    latest promotion. table: bucket owners, as runs `<index>x<buckets>`.
    """

    revision: int = 0
    declared: dict[str, DeclaredVariant] = {}
    declaration: int = 0
    replaced: tuple[str, ...] = ()
    tenants: dict[str, Tenant] = {}
    weights: dict[str, float] = {}
    shadows: dict[str, float] = {}
    models: dict[str, int] = {}
    rollouts: dict[str, Rollout] = {}
    promotions: dict[str, Promotion] = {}
    table: str = ""

    def rollout(self, id: str) -> Rollout | None:
        """The rollout of that id, if it is its model's latest."""
        return next((each for each in self.rollouts.values() if each.id == id), None)

    def has_replaced(self, declared: Mapping[str, DeclaredVariant]) -> bool:
        """Whether that was declared before, and something else after it."""
        return digest_of(declared) in self.replaced

    def version_of(self, tenant: Tenant) -> str:
        """The version that a tenant is."""
        return tenant.version or self.declared[tenant.wiring].version

    def pair(self, model: str) -> tuple[str, str]:
        """The variants that a rollout of `model` moves keys between: the stable one, which the pipeline file gives the
        greater weight, and the candidate. Raises `ControlError`."""
        of_model = [name for name, variant in self.declared.items() if variant.model == model]
        if not of_model:
            known = ", ".join(sorted({variant.model for variant in self.declared.values()})) or "none"
            raise ControlError(f"no variant of the pipeline serves model `{model}`; models: {known}")
        if len(of_model) != 2:
            raise ControlError(
                f"model `{model}` has the variants {', '.join(of_model)}: a rollout moves keys between two"
            )
        stable = max(of_model, key=lambda name: self.declared[name].weight)
        return stable, next(name for name in of_model if name != stable)

    def plan(self) -> ServingPlan:
        """What is to serve."""
        shadows = tuple(self.shadows[name] for name in self.tenants)
        trials = frozenset(each.candidate for each in self.rollouts.values() if not each.over)
        return ServingPlan(self.revision, dict(self.tenants), owners_of(self.table), shadows, trials)


def digest_of(declared: Mapping[str, DeclaredVariant]) -> str:
    """What tells a declaration from any other; the order of its variants counts for nothing."""
    return hashlib.sha256(msgspec.json.encode(sorted(declared.items()))).hexdigest()[:16]


def owners_of(table: str) -> Int16:
    """int16 (10 000,): bucket -> index of the variant that owns it."""
    runs = [run.split("x") for run in table.split(",")]
    return np.repeat(np.array([int(index) for index, _ in runs], np.int16), [int(count) for _, count in runs])


def table_of(owners: Int16) -> str:
    """The same as runs."""
    return ",".join(f"{index}x{len(list(run))}" for index, run in groupby(owners.tolist()))


def with_weights(state: State, weights: dict[str, float]) -> State:
    """The same state with other weights, moving no more keys than they must. Raises `ConfigError` if all are 0."""
    owners = redeal(owners_of(state.table), [weights[name] for name in state.tenants])
    return msgspec.structs.replace(state, weights=weights, table=table_of(owners))


def encode_state(state: State) -> bytes:
    """As JSON."""
    return b'{"format":%d,%b' % (FORMAT, msgspec.json.encode(state)[1:])


def _check_format(value: bytes) -> None:
    try:
        format_of(value)
    except UnknownFormat as error:
        raise UnknownFormat(f"the snapshot of the control state cannot be taken: {error}") from error


def decode_state(value: bytes) -> State:
    """Raises `ControlError` for what is none that this version knows, its kind `UnknownFormat` for what a newer one
    may know."""
    try:
        _check_format(value)
        return msgspec.json.decode(value, type=State)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ControlError(f"not a control state of this version of streamapp: {error}") from error
