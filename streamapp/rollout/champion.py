"""The version that answers, changed at once: forward in an emergency, or back."""

from dataclasses import dataclass

from streamapp.act.state import State
from streamapp.config.settings import PipelineSettings
from streamapp.control.client import ControlClient
from streamapp.control.deploy import deploy
from streamapp.errors import ConfigError, ControlError
from streamapp.rollout.reach import Reach
from streamapp.rollout.wiring import named, resolve
from streamapp.types import Tenant


@dataclass(frozen=True, slots=True)
class Champion:
    """What came of it. version: the one that was meant. own: its artefact is the pipeline file's, so that the registry
    need not have it. answers: whether it does, everything; otherwise it will once every worker has loaded it. said: for
    a person."""

    version: str
    own: bool
    answers: bool
    said: str


def only_model(pipeline: PipelineSettings) -> str:
    """The model of a pipeline that has one. Raises `ConfigError`."""
    models = list(dict.fromkeys(variant.model.name for variant in pipeline.variants.values()))
    if len(models) != 1:
        raise ConfigError(f"the pipeline has the models {', '.join(models)}: say which one")
    return models[0]


async def make_champion(reach: Reach, pipeline: PipelineSettings, model: str, reference: str, reason: str) -> Champion:
    """Let a version, named by itself or by an alias, answer everything that `model` answers.

    A version that is loaded beside the one that answers, as the last good one is, needs neither the registry nor a
    check. Raises `ControlError` with the reason of a refusal, and what the registry raises.
    """
    async with reach.log() as log, ControlClient(log) as client:
        version = named(client.state, reach.versions, model, reference)
        tenant = _loaded(client.state, model, version)
        if tenant is None:
            tenant = resolve(client.state, pipeline.variants, reach.versions, model, version)
        own, it = tenant.version is None, f"version {version} of `{model}`"
        if _answers(client.state, model, tenant):
            return Champion(version, own, True, f"{it} answers everything already")
        entry = await deploy(client, model, version, tenant, reason, by=reach.by, clock=reach.clock)
        if entry.refusal:
            raise ControlError(entry.refusal)
        if _answers(client.state, model, tenant):
            return Champion(version, own, True, f"{it} answers everything from revision {entry.offset + 1} on")
        return Champion(version, own, False, f"{it} answers everything as soon as every worker has loaded it")


def _loaded(state: State, model: str, version: str) -> Tenant | None:
    """What every worker has loaded of that version."""
    tenants = [state.tenants[name] for name in state.pair(model)]
    return next((tenant for tenant in tenants if state.version_of(tenant) == version), None)


def _answers(state: State, model: str, tenant: Tenant) -> bool:
    """Whether it answers all that the model answers, and nothing is about to change that."""
    stable, candidate = state.pair(model)
    rollout = state.rollouts.get(model)
    under_way = rollout is not None and not rollout.over
    return state.tenants[stable] == tenant and not state.weights[candidate] and not under_way
