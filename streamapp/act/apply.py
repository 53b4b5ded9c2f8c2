"""The fold over the control log: a state and a command to the next state, or to the reason why it is refused.

Nothing here reads a clock, a file or a random number: whoever folds the same commands comes to the same state.
"""

from dataclasses import dataclass
from functools import singledispatch

import numpy as np
from msgspec.structs import replace

from streamapp.act.analysis import Analysis, Result
from streamapp.act.commands import (
    Abort,
    Advance,
    Aliased,
    AnyCommand,
    Command,
    Declare,
    DeclaredVariant,
    Deploy,
    Measured,
    Pause,
    Promote,
    Resume,
    Start,
    Weighed,
)
from streamapp.act.moves import begin, end, enter, paused, promoted, put, swap, weigh
from streamapp.act.state import (
    ABORTED,
    LOADING,
    PAUSED,
    PROGRESSING,
    PROMOTED,
    Rollout,
    State,
    digest_of,
    owners_of,
    table_of,
    with_weights,
)
from streamapp.act.steps import AT_ONCE, Analyse, Explore, Step, Wait, check_steps
from streamapp.buckets import deal, redeal
from streamapp.errors import ConfigError, ControlError
from streamapp.types import MOST_WEIGHT, NO_VARIANT, Int16, Tenant

MOST_REPLACED = 256
"""How many older pipeline files are known as such."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a command has no effect."""

    reason: str


class _Refused(Exception):
    """Ends the handling of a command; `apply` turns it into a `Refusal`."""


def apply(state: State, command: AnyCommand, revision: int, at_ms: int) -> State | Refusal:
    """The state after `command`, which stands at place `revision` - 1 of the log.

    at_ms: when the broker took it, ms since the epoch. The sender's own clock may be wrong, and counts for nothing.
    """
    try:
        return replace(_take(replace(command, at_ms=at_ms), state, revision), revision=revision)
    except (_Refused, ControlError, ConfigError) as refused:
        return Refusal(str(refused))
    except (ArithmeticError, LookupError, RecursionError, TypeError, ValueError) as error:
        # A record stays in the log: what no worker could take would keep every worker from starting for ever.
        return Refusal(f"it cannot be applied: {error!r}")


@singledispatch
def _take(command: Command, state: State, revision: int) -> State:
    raise _Refused(f"a command of kind {type(command).__name__} is not known")


@_take.register
def _declare(command: Declare, state: State, revision: int) -> State:
    declared = command.variants
    if declared == state.declared:
        raise _Refused("the pipeline file says what it said before")
    if command.expects != state.declaration:
        raise _Refused(
            f"the variants were declared at {state.declaration}, not at {command.expects}: somebody was faster, or "
            "this was sent before"
        )
    if state.has_replaced(declared) and not command.again:
        raise _Refused(
            "these variants were declared before and replaced since: the pipeline file is an older one. To go back to "
            "it all the same: streamapp rollout declare"
        )
    for name, variant in declared.items():
        if variant.wiring not in declared:
            raise _Refused(f"variant `{name}` is wired like `{variant.wiring}`, which is not declared")
        if not 0 <= variant.weight <= MOST_WEIGHT:
            raise _Refused(f"variant `{name}`: weight {variant.weight:g} is not within 0 to {MOST_WEIGHT:g}")
        if not 0 <= variant.shadow <= 1:
            raise _Refused(f"variant `{name}`: shadow {variant.shadow:g} is not within 0 to 1")
    models = {variant.model for variant in [*declared.values(), *state.declared.values()]}
    changed = {model for model in models if _of(state.declared, model) != _of(declared, model)}
    for rollout in state.rollouts.values():
        if rollout.model in changed and not rollout.over:
            raise _Refused(f"the pipeline file changes model `{rollout.model}` while rollout {rollout.id} is under way")
    fresh = {name for name, variant in declared.items() if variant.model in changed}
    weights = {name: v.weight if name in fresh else state.weights[name] for name, v in declared.items()}
    owners = (
        redeal(_renumbered(state, list(declared)), [*weights.values()]) if state.table else deal([*weights.values()])
    )
    return State(
        declared=declared,
        declaration=revision,
        replaced=_replaced(state, declared),
        tenants={name: Tenant(v.wiring) if name in fresh else state.tenants[name] for name, v in declared.items()},
        weights=weights,
        shadows={name: v.shadow if name in fresh else state.shadows[name] for name, v in declared.items()},
        models={**state.models, **dict.fromkeys(changed, revision)},
        rollouts={model: each for model, each in state.rollouts.items() if model not in changed},
        promotions={model: each for model, each in state.promotions.items() if model not in changed},
        table=table_of(owners),
    )


def _replaced(state: State, declared: dict[str, DeclaredVariant]) -> tuple[str, ...]:
    """The latest of what was in force before `declared` is."""
    now, before = digest_of(declared), digest_of(state.declared)
    older = [digest for digest in state.replaced if digest not in (now, before)]
    return (*older, before)[-MOST_REPLACED:] if state.declared else ()


def _of(declared: dict[str, DeclaredVariant], model: str) -> list[object]:
    return [(name, variant) for name, variant in declared.items() if variant.model == model]


def _renumbered(state: State, names: list[str]) -> Int16:
    """The table with the variants numbered as in `names`; buckets of those that are gone have no owner."""
    index = {name: i for i, name in enumerate(names)}
    number = np.array([index.get(name, NO_VARIANT) for name in state.tenants], np.int16)
    return number[owners_of(state.table)]


@_take.register
def _start(command: Start, state: State, revision: int) -> State:
    stable, candidate = state.pair(command.model)
    latest = state.rollouts.get(command.model)
    if latest is not None and not latest.over:
        raise _Refused(
            f"rollout {latest.id} of `{command.model}` to version {latest.version} is under way, started by "
            f"{latest.by}: abort or promote it first"
        )
    _expect(state, command.model, command.expects)
    check_steps(command.steps)
    _known(state, command)
    if command.tenant == state.tenants[stable]:
        raise _Refused(f"version {command.version} of `{command.model}` answers already")
    if not state.weights[stable] + state.weights[candidate] > 0:
        raise _Refused(f"no variant of `{command.model}` answers any key, so there is nothing to move")
    return begin(state, command, command.steps, revision)


@_take.register
def _measured(command: Measured, state: State, revision: int) -> State:
    rollout, step = _at(state, command)
    if not isinstance(step, Analyse):
        raise _Refused(f"step {command.step + 1} is no analysis")
    tally = rollout.tally.with_one(command.result)
    limits = Analysis(step.interval_s, step.count, None, None, step.failure_limit, step.inconclusive_limit)
    verdict = tally.verdict(limits)
    rollout = replace(rollout, tally=tally, measured=command.number, reason=command.reason)
    if verdict is Result.FAILED:
        return end(state, rollout, ABORTED, f"step {command.step + 1}: {command.reason}", revision)
    if verdict is Result.INCONCLUSIVE:
        return put(state, paused(rollout, f"step {command.step + 1} is inconclusive: {command.reason}"))
    if verdict is Result.SUCCESSFUL:
        return enter(state, rollout, rollout.step + 1, command.at_ms, revision)
    return put(state, rollout)


@_take.register
def _weighed(command: Weighed, state: State, revision: int) -> State:
    rollout, step = _at(state, command)
    if not isinstance(step, Explore):
        raise _Refused(f"step {command.step + 1} is no bandit")
    if not step.least <= command.weight <= 100 - step.least:
        raise _Refused(f"weight {command.weight:g} is not within [{step.least:g}, {100 - step.least:g}] per cent")
    result, reason = command.result, command.reason
    rollout = replace(rollout, measured=command.number, weight=command.weight, contest=command.contest, reason=reason)
    if result is Result.SUCCESSFUL:
        return enter(state, rollout, rollout.step + 1, command.at_ms, revision)
    if result is Result.FAILED:
        return end(state, rollout, ABORTED, f"step {command.step + 1}: {reason}", revision)
    if result is Result.INCONCLUSIVE:
        rollout = paused(rollout, f"step {command.step + 1} is inconclusive: {reason}")
    elif command.number >= step.count:
        rollout = paused(rollout, f"step {command.step + 1} is inconclusive after {command.number} looks: {reason}")
    return put(weigh(state, rollout, command.weight), rollout)


@_take.register
def _advance(command: Advance, state: State, revision: int) -> State:
    rollout = _under_way(state, command.rollout)
    _turn(rollout, command.turn)
    if rollout.status == PAUSED:
        raise _Refused(f"rollout {rollout.id} is paused")
    if command.step != rollout.step or not isinstance(rollout.current, Wait | None):
        raise _Refused(f"rollout {rollout.id} is at step {rollout.step + 1}, not in the pause of {command.step + 1}")
    return enter(state, rollout, rollout.step + 1, command.at_ms, revision)


@_take.register
def _pause(command: Pause, state: State, revision: int) -> State:
    rollout = _under_way(state, command.rollout)
    _turn(rollout, command.turn)
    if rollout.status == PAUSED:
        raise _Refused(f"rollout {rollout.id} is paused already: {rollout.reason}")
    return put(state, paused(rollout, command.reason or f"paused by {command.by}"))


@_take.register
def _resume(command: Resume, state: State, revision: int) -> State:
    rollout = _under_way(state, command.rollout)
    _turn(rollout, command.turn)
    waiting = rollout.current == Wait(None)
    if rollout.status != PAUSED and not waiting:
        raise _Refused(f"rollout {rollout.id} is not paused")
    rollout = replace(rollout, status=PROGRESSING, turn=rollout.turn + 1, reason=command.reason)
    return enter(state, rollout, rollout.step + waiting, command.at_ms, revision)


@_take.register
def _promote(command: Promote, state: State, revision: int) -> State:
    rollout = _under_way(state, command.rollout)
    reason = command.reason or f"promoted by {command.by}"
    if rollout.step != LOADING:
        return end(state, rollout, PROMOTED, reason, revision)
    # What is skipped is the steps: a worker that has not loaded the candidate could not answer by it.
    if rollout.steps == AT_ONCE:
        again = f"; it is paused: resume it ({rollout.reason})" if rollout.status == PAUSED else ""
        raise _Refused(
            f"rollout {rollout.id} has no step left to skip, and waits until every worker has loaded it{again}"
        )
    skipped = replace(rollout, steps=AT_ONCE, status=PROGRESSING, turn=rollout.turn + 1, reason=reason)
    return put(state, skipped)


@_take.register
def _abort(command: Abort, state: State, revision: int) -> State:
    rollout = _under_way(state, command.rollout)
    return end(state, rollout, ABORTED, command.reason or f"aborted by {command.by}", revision)


@_take.register
def _deploy(command: Deploy, state: State, revision: int) -> State:
    stable, candidate = state.pair(command.model)
    _expect(state, command.model, command.expects)
    _known(state, command)
    latest = state.rollouts.get(command.model)
    if latest is not None and not latest.over:
        why = command.reason or f"version {command.version} was deployed by {command.by}"
        state = end(state, latest, ABORTED, why, revision)
    elif command.tenant == state.tenants[stable] and not state.weights[candidate]:
        raise _Refused(f"version {command.version} of `{command.model}` answers already")
    if command.tenant not in (state.tenants[stable], state.tenants[candidate]):
        return begin(state, command, AT_ONCE, revision)
    state = promoted(state, command, revision)
    if command.tenant == state.tenants[candidate]:
        # The version that answered until now stays loaded, as it is the one to come back to.
        state = swap(state, stable, candidate)
    weights = {**state.weights, stable: state.weights[stable] + state.weights[candidate], candidate: 0.0}
    return replace(with_weights(state, weights), models={**state.models, command.model: revision})


@_take.register
def _aliased(command: Aliased, state: State, revision: int) -> State:
    promotion = state.promotions.get(command.model)
    if promotion is None or promotion.revision != command.promotion:
        raise _Refused(f"model `{command.model}` was not promoted at {command.promotion}, or has been since")
    if promotion.settled or (promotion.reason and not command.settled):
        raise _Refused(f"that was said before: {promotion.reason}")
    promotion = replace(promotion, settled=command.settled, reason=command.reason)
    return replace(state, promotions={**state.promotions, command.model: promotion})


def _at(state: State, look: Measured | Weighed) -> tuple[Rollout, Step | None]:
    """The rollout and its step, if this look of a leader is the next one to be made there."""
    rollout = _under_way(state, look.rollout)
    _turn(rollout, look.turn)
    if rollout.status == PAUSED:
        raise _Refused(f"rollout {rollout.id} is paused")
    if (look.step, look.number) != (rollout.step, rollout.measured + 1):
        raise _Refused(
            f"rollout {rollout.id} is at look {rollout.measured + 1} of step {rollout.step + 1}; this is look "
            f"{look.number} of step {look.step + 1}"
        )
    return rollout, rollout.current


def _under_way(state: State, id: str) -> Rollout:
    rollout = state.rollout(id)
    if rollout is None:
        raise _Refused(f"there is no rollout {id}, or a newer one of its model")
    if rollout.over:
        raise _Refused(f"rollout {id} is over: {rollout.status} ({rollout.reason})")
    return rollout


def _turn(rollout: Rollout, turn: int) -> None:
    if turn != rollout.turn:
        raise _Refused(f"rollout {rollout.id} was paused or resumed since; it is {rollout.status}")


def _expect(state: State, model: str, expects: int) -> None:
    now = state.models.get(model, 0)
    if expects != now:
        raise _Refused(
            f"model `{model}` is at revision {now}, not {expects}: somebody was faster, or this was sent before"
        )


def _known(state: State, command: Start | Deploy) -> None:
    model, wiring = command.model, command.tenant.wiring
    declared = state.declared.get(wiring)
    if declared is None or declared.model != model:
        raise _Refused(f"model `{model}` has no variant `{wiring}` whose wiring could be taken")
    serves = state.version_of(command.tenant)
    if command.version != serves:
        raise _Refused(f"version {command.version} is asked for, and what is to be served is version {serves}")
