"""How a version is wired: whose features, inputs and outputs it takes."""

from collections.abc import Mapping

from streamapp.act.state import State
from streamapp.config.problems import suggestion
from streamapp.config.settings import VariantSettings
from streamapp.errors import ConfigError, ControlError
from streamapp.rollout.reach import Versions
from streamapp.types import Tenant


def resolve(
    state: State,
    variants: Mapping[str, VariantSettings],
    versions: Versions,
    model: str,
    version: str,
    like: str | None = None,
) -> Tenant:
    """What the candidate is to serve, after checking all that can be checked before a worker loads it.

    The wiring is that of, in this order: the variant `like`; a declared variant that has this very version, whose
    artefact the pipeline file then gives; a declared variant with the feature service that the version was trained
    with; the stable variant. variants: as the pipeline file has them.

    Raises `ControlError` for a model that the log does not know, `ConfigError` for a `like` that it does not, and what
    the registry raises.
    """
    stable, _ = _pair(state, model)
    wirings = {name: each for name, each in state.declared.items() if each.model == model and each.wiring == name}
    if like is not None and like not in wirings:
        raise ConfigError(f"--like: model `{model}` has no variant `{like}`\n  -> {suggestion(like, wirings)}")
    own = [name for name, each in wirings.items() if each.version == version and like in (None, name)]
    if own:
        return Tenant(own[0])
    wiring = like or _trained_with(variants, versions, model, version, [stable, *wirings])
    wiring = wiring or state.tenants[stable].wiring
    versions.check(model, version, wiring)
    return Tenant(wiring, version)


def named(state: State, versions: Versions, model: str, reference: str) -> str:
    """The version that is meant by `reference`: a version, an alias or `@alias`, as it stands in the registry now.

    A version that the pipeline declares or serves is known without the registry, which may be away or lack it. Raises
    `ControlError` for a model that the log does not know, and what the registry raises.
    """
    _pair(state, model)
    declared = {each.version for each in state.declared.values() if each.model == model}
    serving = {state.version_of(t) for name, t in state.tenants.items() if state.declared[name].model == model}
    return reference if reference in declared | serving else versions.resolve(model, reference)


def _pair(state: State, model: str) -> tuple[str, str]:
    if not state.declared:
        raise ControlError("no worker has declared its variants yet: start one with `streamapp run`")
    return state.pair(model)


def _trained_with(
    variants: Mapping[str, VariantSettings], versions: Versions, model: str, version: str, names: list[str]
) -> str | None:
    """The first of `names` with the feature service of the version."""
    service = versions.feature_service(model, version)
    found = (name for name in names if name in variants and variants[name].feature_service == service)
    return None if service is None else next(found, None)
