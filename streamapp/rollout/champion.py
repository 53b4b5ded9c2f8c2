"""The version that answers, changed at once: forward in an emergency, or back."""

from streamapp.act.state import State
from streamapp.config.settings import PipelineSettings
from streamapp.control.client import ControlClient
from streamapp.control.declared import version_of
from streamapp.control.deploy import deploy
from streamapp.errors import ConfigError, ControlError
from streamapp.rollout.reach import Reach
from streamapp.rollout.wiring import resolve
from streamapp.types import Tenant


def only_model(pipeline: PipelineSettings) -> str:
    """The model of a pipeline that has one. Raises `ConfigError`."""
    models = list(dict.fromkeys(variant.model.name for variant in pipeline.variants.values()))
    if len(models) != 1:
        raise ConfigError(f"the pipeline has the models {', '.join(models)}: say which one")
    return models[0]


async def make_champion(reach: Reach, pipeline: PipelineSettings, model: str, version: str, reason: str) -> str:
    """Let `version` answer everything that `model` answers; what came of it, for a person.

    A version that is loaded beside the one that answers, as the last good one is, needs neither the registry nor a
    check. Raises `ControlError` with the reason of a refusal, and what the registry raises.
    """
    async with reach.log() as log, ControlClient(log) as client:
        tenant = _loaded(client.state, model, version)
        if tenant is None:
            tenant = resolve(client.state, pipeline.variants, reach.versions, model, version)
        entry = await deploy(client, model, version, tenant, reason, by=reach.by, clock=reach.clock)
        if entry.refusal:
            raise ControlError(entry.refusal)
        rollout = client.state.rollouts.get(model)
        if rollout is not None and not rollout.over:
            return f"version {version} of `{model}` answers as soon as every worker has loaded it"
        return f"version {version} of `{model}` answers everything from revision {entry.offset + 1} on"


def _loaded(state: State, model: str, version: str) -> Tenant | None:
    """What every worker has loaded of that version."""
    if not state.declared:
        return None
    tenants = [state.tenants[name] for name in state.pair(model)]
    return next((tenant for tenant in tenants if version_of(state, tenant) == version), None)
