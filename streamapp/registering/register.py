"""Registering one version.

1. Decide the runtime; refuse what runs code unless it is trusted.
2. Copy the files to a folder of our own, hash them, refuse links and pickles. From here on only the copy counts.
3. Load the copy in a process of its own and score a sample: that gives the signature.
4. Compare the signature with what the source says about it.
5. Write the manifest and add the version.
"""

import getpass
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from streamapp.errors import ModelLoadError
from streamapp.infer.loading import runtime_of
from streamapp.models import Manifest, Registry
from streamapp.models.manifest import FeatureContract, Training
from streamapp.models.names import check_name
from streamapp.models.times import iso_of_ms
from streamapp.protocols import Clock, Signature
from streamapp.registering.gather import check_no_pickle, check_there, check_trusted, gather
from streamapp.registering.tensors import check_said
from streamapp.registering.trial import Limits, try_model


@dataclass(frozen=True, slots=True)
class Claim:
    """What is said about a version by whoever registers it.

    declared: the signature, for formats that carry none. said, where: a signature that must fit, and who says so.
    """

    model: str
    version: str
    runtime: str | None = None
    declared: Signature | None = None
    said: Signature | None = None
    where: str = ""
    feature_service: FeatureContract | None = None
    training: Training = field(default_factory=Training)
    code_version: str | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    parent: str | None = None
    source: str | None = None


@dataclass(frozen=True, slots=True)
class Trial:
    """How to try it. trusted: its loading may run code; sample: a JSON file of rows."""

    trusted: bool = False
    sample: Path | None = None
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True, slots=True)
class Registered:
    """added: False if the version was there already, with the same content."""

    manifest: Manifest
    added: bool


def register(registry: Registry, path: Path, claim: Claim, trial: Trial, who: str, clock: Clock) -> Registered:
    """Raises `ModelError` with the reason, `ConfigError`, `RegistryUnavailable`; nothing is registered then."""
    check_name(claim.model, "model")
    check_name(claim.version, "version")
    check_there(path)
    runtime = claim.runtime or _runtime_of(path)
    check_trusted(path, runtime, trusted=trial.trusted)
    check_no_pickle(path, runtime)
    _check_declared(path, runtime, claim.declared)
    with tempfile.TemporaryDirectory(prefix="streamapp-register-") as name:
        folder = Path(name)
        files = gather(path, runtime, folder)
        signature = try_model(folder, files[0], runtime, claim.declared, trial.sample, trial.limits)
        if claim.said is not None:
            check_said(claim.said, signature, claim.where)
        manifest = Manifest(
            model=claim.model,
            version=claim.version,
            runtime=runtime,
            artefact=files[0].path,
            files=files,
            inputs=signature.inputs,
            outputs=signature.outputs,
            registered_by=who,
            registered_at=iso_of_ms(clock.now_ms()),
            feature_service=claim.feature_service,
            training=claim.training,
            code_version=claim.code_version,
            metrics=dict(claim.metrics),
            parent=claim.parent,
            source=claim.source or path.name,
        )
        added = registry.add(manifest, folder)
    return Registered(manifest if added else registry.version(claim.model, claim.version), added)


def user() -> str:
    """Who runs this process, as the system knows it."""
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        return "unknown"


def _runtime_of(path: Path) -> str:
    runtime = runtime_of(path)
    if runtime is None:
        check_no_pickle(path, "")
        raise ModelLoadError(
            f"{path}: the ending `{path.suffix}` is none of .onnx, .pt, .pt2, .river; name the runtime with --runtime"
        )
    return runtime


def _check_declared(path: Path, runtime: str, declared: Signature | None) -> None:
    inputs, outputs = (bool(declared.inputs), bool(declared.outputs)) if declared else (False, False)
    if runtime == "torchscript" and not (inputs and outputs):
        raise ModelLoadError(
            f"{path}: TorchScript carries no signature; declare it: --input x:float32[rows,3] "
            "--output y:float32[rows,1], inputs named as the arguments of forward, outputs in the order it returns them"
        )
    if runtime == "river" and not inputs:
        raise ModelLoadError(
            f"{path}: a River model carries no signature; declare its features: --input amount:float64[rows] …"
        )
