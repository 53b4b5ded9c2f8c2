"""What commands do to a state: weights, shadows, steps, and the end of a rollout."""

from msgspec.structs import replace

from streamapp.act.analysis import Tally
from streamapp.act.commands import Deploy, Start
from streamapp.act.contest import Contest
from streamapp.act.state import LOADING, PAUSED, PROMOTED, Promotion, Rollout, State, with_weights
from streamapp.act.steps import SetShadow, SetWeight, Step, Wait


def begin(state: State, command: Start | Deploy, steps: tuple[Step, ...], revision: int) -> State:
    """A rollout, in its first stage: the candidate is loaded and gets no keys yet."""
    stable, candidate = state.pair(command.model)
    rollout = Rollout(
        id=command.id,
        model=command.model,
        version=command.version,
        stable=stable,
        candidate=candidate,
        before=state.tenants[candidate],
        steps=steps,
        by=command.by,
        started_ms=command.at_ms,
        since_ms=command.at_ms,
        epoch=revision,
        reason=command.reason,
    )
    tenants = {**state.tenants, candidate: command.tenant}
    models = {**state.models, command.model: revision}
    state = weigh(shadow(replace(state, tenants=tenants, models=models), candidate, 0.0), rollout, 0.0)
    return put(state, rollout)


def enter(state: State, rollout: Rollout, index: int, at_ms: int, revision: int) -> State:
    """Begin step `index`; steps that take no time are taken at once, and after the last one the rollout is through."""
    while LOADING < index < len(rollout.steps):
        step = rollout.steps[index]
        if isinstance(step, SetWeight):
            state, rollout = weigh(state, rollout, step.weight), replace(rollout, weight=step.weight)
        elif isinstance(step, SetShadow):
            state = shadow(state, rollout.candidate, step.share / 100)
            rollout = replace(rollout, shadow=step.share)
        else:
            # What was sent before there was anything to resume must not resume this.
            turn = rollout.turn + (step == Wait(None))
            begun = replace(rollout, step=index, since_ms=at_ms, epoch=revision, turn=turn)
            return put(state, replace(begun, tally=Tally(), measured=0, contest=Contest()))
        index += 1
    if index == LOADING:
        return put(state, replace(rollout, since_ms=at_ms, epoch=revision))
    return end(state, replace(rollout, step=index), PROMOTED, "all steps are through", revision)


def end(state: State, rollout: Rollout, status: str, reason: str, revision: int) -> State:
    """Give all the model's keys to one version, the last good one staying in the other variant, loaded."""
    stable, candidate = rollout.stable, rollout.candidate
    is_promoted = status == PROMOTED
    if is_promoted:
        state = promoted(state, rollout, revision)
        state = swap(state, stable, candidate)
    else:
        state = replace(state, tenants={**state.tenants, candidate: rollout.before})
    state = weigh(shadow(state, candidate, 0.0), rollout, 0.0)
    weight = 100.0 if is_promoted else 0.0
    ended = replace(rollout, status=status, reason=reason, weight=weight, shadow=0.0)
    return replace(put(state, ended), models={**state.models, rollout.model: revision})


def promoted(state: State, by: Rollout | Deploy, revision: int) -> State:
    """Note that its version is about to answer in the place of the one that does."""
    stable, _ = state.pair(by.model)
    promotion = Promotion(
        id=by.id,
        by=by.by,
        since_ms=by.started_ms if isinstance(by, Rollout) else by.at_ms,
        revision=revision,
        version=by.version,
        before=state.version_of(state.tenants[stable]),
    )
    return replace(state, promotions={**state.promotions, by.model: promotion})


def swap(state: State, stable: str, candidate: str) -> State:
    """Exchange what two variants serve."""
    tenants = {**state.tenants, stable: state.tenants[candidate], candidate: state.tenants[stable]}
    return replace(state, tenants=tenants)


def weigh(state: State, rollout: Rollout, percent: float) -> State:
    """Give the candidate that share of the keys of its model."""
    total = state.weights[rollout.stable] + state.weights[rollout.candidate]
    share = total * percent / 100
    return with_weights(state, {**state.weights, rollout.stable: total - share, rollout.candidate: share})


def shadow(state: State, candidate: str, share: float) -> State:
    """Let the candidate score that share of all keys, in [0, 1]."""
    return replace(state, shadows={**state.shadows, candidate: share})


def put(state: State, rollout: Rollout) -> State:
    """Note how far the rollout is."""
    return replace(state, rollouts={**state.rollouts, rollout.model: rollout})


def paused(rollout: Rollout, reason: str) -> Rollout:
    """The rollout, waiting for a person."""
    return replace(rollout, status=PAUSED, reason=reason, turn=rollout.turn + 1)
