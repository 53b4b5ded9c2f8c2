"""The model registry: it answers, and holds what is served as it was registered and trained."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from streamapp.act.state import State
from streamapp.check.features import Services
from streamapp.check.finding import Finding, error, ok, warning
from streamapp.config.settings import ControlSettings, PipelineSettings
from streamapp.control.companion import registry_of
from streamapp.errors import RegistryForbidden, RegistryUnavailable, StreamappError, UnknownVersion
from streamapp.infer import check_contract
from streamapp.infer.sources import declared_features
from streamapp.models import Manifest, Registry
from streamapp.types import Tenant


def check_registry(
    settings: PipelineSettings, control: ControlSettings, base: Path, state: State | None, services: Services
) -> list[Finding]:
    """Findings on the registry, and on every version of it that the control log has in force or the file names.

    state: what the control log has led to, None where that is not known. services: variant -> its feature service.
    """
    models = dict.fromkeys(variant.model.name for variant in settings.variants.values())
    try:
        registry = registry_of(control, base)
        findings = [_summary(registry, control, model) for model in models]
    except StreamappError as raised:
        remedy = "grant this user to read it" if isinstance(raised, RegistryForbidden) else "correct `control.registry`"
        return [error("registry", str(raised), f"{remedy}; without it no other version can be loaded")]
    tenants = _tenants(settings, state)
    try:
        registry.check()
    except RegistryUnavailable as raised:
        findings = [warning("registry", str(raised), "without it no other version can be loaded")]
        tenants = {name: tenant for name, tenant in tenants.items() if tenant.version is not None}
    if state is not None:
        findings += [each for model in models for each in _check_alias(registry, control, model, state)]
    for name, tenant in tenants.items():
        findings += _check_version(registry, settings, services, name, tenant)
    return findings


def _summary(registry: Registry, control: ControlSettings, model: str) -> Finding:
    versions = registry.versions(model)
    aliases = "".join(f", {alias.alias} -> {alias.version}" for alias in registry.aliases(model))
    said = f"{registry.url}: {len(versions)} version{'' if len(versions) == 1 else 's'} of {model}{aliases}"
    if control.alias is not None and registry.writable(model) is False:
        return warning(
            "registry",
            f"{said}; this user may not write there, and a worker that may not cannot move alias `{control.alias}`",
            "grant the workers to write there, or set `control.alias: null`",
        )
    return ok("registry", said)


def _check_alias(registry: Registry, control: ControlSettings, model: str, state: State) -> Iterator[Finding]:
    """The alias that follows what answers does so, where that is known to the registry."""
    alias = None if control.alias is None else registry.alias(model, control.alias)
    promotion = state.promotions.get(model)
    if alias is None or promotion is None or alias.version == promotion.version:
        return
    reason = f" ({promotion.reason})" if promotion.reason else ""
    move = f"streamapp models alias {model} {alias.alias} {promotion.version}, unless somebody means it to be so"
    register = f"streamapp models register {model} PATH --version {promotion.version}, and then "
    yield warning(
        "registry",
        f"alias `{alias.alias}` of {model} is {alias.version}, but version {promotion.version} answers{reason}",
        move if promotion.version in registry.versions(model) else register + move,
    )


def _tenants(settings: PipelineSettings, state: State | None) -> Mapping[str, Tenant]:
    """Slot -> what it serves, as far as its wiring is in the file; each version and wiring once."""
    tenants = {name: Tenant(name) for name in settings.variants} | ({} if state is None else state.tenants)
    wired = {name: tenant for name, tenant in tenants.items() if tenant.wiring in settings.variants}
    first = {tenant: name for name, tenant in reversed(wired.items())}
    return {name: tenant for name, tenant in wired.items() if first[tenant] == name}


def _check_version(
    registry: Registry, settings: PipelineSettings, services: Services, name: str, tenant: Tenant
) -> Iterator[Finding]:
    variant = settings.variants[tenant.wiring]
    model, version = variant.model.name, tenant.version or variant.model.version
    subject = f"registry {model} {version}"
    try:
        manifest = registry.version(model, version)
        if tenant.version is not None:
            registry.verify(model, version)
            names = declared_features(variant.inputs)
            check_contract(f"{name}, wired like {tenant.wiring}", variant, manifest.signature, settings.event, names)
    except UnknownVersion as raised:
        # What only the file has is no fault of the registry.
        if tenant.version is not None:
            yield error(subject, str(raised), f"register it again, or deploy another version instead of it in `{name}`")
        return
    except StreamappError as raised:
        remedy = f"a worker cannot load it for `{name}`: deploy another version, or restore it"
        yield error(subject, str(raised), remedy)
        return
    if tenant.version is not None:
        yield ok(subject, f"is there as its manifest says, for `{name}`")
    yield from _check_service(subject, manifest, variant.feature_service, services, tenant.wiring)


def _check_service(
    subject: str, manifest: Manifest, wired: str | None, services: Services, wiring: str
) -> Iterator[Finding]:
    """It gets the features that it was trained with."""
    contract = manifest.feature_service
    if contract is None:
        return
    if contract.service != wired:
        yield warning(
            subject,
            f"was trained with feature service {contract.service}, and is wired like `{wiring}`, which has "
            f"{wired or 'none'}",
            "if that is not meant: streamapp rollout start with --like VARIANT",
        )
    elif contract.sha256 is not None and wiring in services and contract.sha256 != services[wiring].sha256:
        yield warning(
            subject,
            f"was trained with another definition of feature service {contract.service}: sha256 {contract.sha256}, and "
            f"{services[wiring].sha256} in the Feast repository",
            "check what has changed in it since; a changed service is better a new one, such as with a number in its "
            "name",
        )
