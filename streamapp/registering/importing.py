"""Importing: find what a source holds, register each version of it; one that is refused does not stop the others."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from streamapp.errors import ConfigError, ModelError
from streamapp.models import Registry
from streamapp.protocols import Clock, Signature
from streamapp.registering import mlflow, triton
from streamapp.registering.found import Found, Refused
from streamapp.registering.gather import check_there
from streamapp.registering.register import Claim, Registered, Trial, register

_SOURCES = "a model repository in Triton's layout, a model folder of MLflow or a TorchScript file"


def find(source: Path, model: str | None, version: str | None) -> tuple[Found | Refused, ...]:
    """What `source` holds. model, version: the only ones wanted of a repository, the name and version of a single
    model. Raises `ConfigError`, `ModelLoadError`."""
    if not source.is_dir():
        check_there(source)
        if source.suffix not in (".pt", ".pth"):
            raise ConfigError(f"{source}: an import takes {_SOURCES}; a single file is for `streamapp models register`")
        return (Found(*_named(source, model, version), source, "torchscript", f"TorchScript {source.name}"),)
    if (source / mlflow.MLMODEL).exists():
        return (mlflow.find_model(source, *_named(source, model, version)),)
    if not triton.is_repository(source):
        raise ConfigError(f"{source}: is neither {_SOURCES}")
    found = tuple(
        item
        for item in triton.find_models(source)
        if model in (None, item.model) and (version in (None, item.version) or not item.version)
    )
    if not found:
        raise ConfigError(f"{source}: holds no such model or version")
    return found


def import_all(
    registry: Registry,
    items: Iterable[Found | Refused],
    declared: Signature | None,
    trial: Trial,
    who: str,
    clock: Clock,
) -> tuple[Registered | Refused, ...]:
    """Register what was found. declared: a signature for formats that carry none, over what the source says.

    Raises `RegistryUnavailable`.
    """
    return tuple(
        item if isinstance(item, Refused) else _one(registry, item, declared, trial, who, clock) for item in items
    )


def _one(
    registry: Registry, found: Found, declared: Signature | None, trial: Trial, who: str, clock: Clock
) -> Registered | Refused:
    claim = Claim(found.model, found.version, runtime=found.runtime, source=found.source)
    if found.runtime == "torchscript":
        claim = replace(claim, declared=declared or found.said)
    else:
        claim = replace(claim, declared=declared, said=found.said, where=found.where)
    try:
        return register(registry, found.path, claim, trial, who, clock)
    except (ModelError, ConfigError) as error:
        return Refused(found.model, found.version, str(error))


def _named(source: Path, model: str | None, version: str | None) -> tuple[str, str]:
    if model is None or version is None:
        raise ConfigError(f"{source}: is a single model, so say what it is to be called: --model NAME --version V")
    return model, version
