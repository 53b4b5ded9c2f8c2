"""What a version is: the manifest, a value, and the JSON that it is kept as."""

import hashlib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import msgspec

from streamapp.errors import IntegrityError, RegistryError
from streamapp.models.names import check_file_path, check_name
from streamapp.protocols import Signature, TensorSpec

FORMAT = 1
"""Of the JSON. A reader refuses a newer one."""
MAX_BYTES = 4 << 20
"""Largest manifest, and largest alias file, that is read."""
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class ModelFile:
    """One file. path: relative to the version's files, `/` between parts; sha256: hex; bytes: size."""

    path: str
    sha256: str
    bytes: int


@dataclass(frozen=True, slots=True)
class FeatureContract:
    """What the model was trained to be fed with. sha256: hex digest of the service's definition."""

    service: str
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class Training:
    """Where the training rows are, and their time range, ISO 8601 in UTC, end not included."""

    data: str | None = None
    start: str | None = None
    end: str | None = None


@dataclass(frozen=True, slots=True)
class Manifest:
    """One version of a model.

    artefact: the path, among `files`, that the runtime opens. inputs, outputs: the signature, with a free row axis,
    as the loaded model gave it. registered_at: ISO 8601 in UTC.
    """

    model: str
    version: str
    runtime: str
    artefact: str
    files: tuple[ModelFile, ...]
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    registered_by: str
    registered_at: str
    feature_service: FeatureContract | None = None
    training: Training = Training()
    code_version: str | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    parent: str | None = None
    source: str | None = None
    format: int = FORMAT

    @property
    def signature(self) -> Signature:
        """What the model takes and gives."""
        return Signature(self.inputs, self.outputs)

    @property
    def content(self) -> str:
        """SHA-256 (hex) over the paths, sizes and digests of all files; names the folder that holds them."""
        listing = sorted((file.path, file.sha256, file.bytes) for file in self.files)
        return hashlib.sha256(msgspec.json.encode(listing)).hexdigest()

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of the artefact."""
        return next(file.sha256 for file in self.files if file.path == self.artefact)


def difference(ours: Manifest, theirs: Manifest) -> tuple[str, ...]:
    """Names of the fields that differ; who registered, when and from where do not count."""
    alike = replace(ours, registered_by=theirs.registered_by, registered_at=theirs.registered_at, source=theirs.source)
    return tuple(name for name in Manifest.__dataclass_fields__ if getattr(alike, name) != getattr(theirs, name))


def encode(manifest: Manifest) -> bytes:
    """As JSON, readable. Raises `RegistryError` for what a reader would refuse."""
    _check(manifest, RegistryError)
    return msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n"


def decode(content: bytes, where: str) -> Manifest:
    """Raises `IntegrityError` that names `where` for what is damaged, unsafe or of a newer format."""
    try:
        manifest = msgspec.json.decode(content, type=Manifest)
    except msgspec.DecodeError as error:
        raise IntegrityError(f"{where}: not a manifest, or a damaged one: {error}") from error
    try:
        _check(manifest, IntegrityError)
    except RegistryError as error:
        raise IntegrityError(f"{where}: {error}") from error
    return manifest


def _check(manifest: Manifest, kind: type[RegistryError]) -> None:
    if manifest.format > FORMAT:
        raise kind(f"manifest format {manifest.format} is newer than this streamapp reads ({FORMAT}); upgrade it")
    check_name(manifest.model, "model")
    check_name(manifest.version, "version")
    if manifest.parent is not None:
        check_name(manifest.parent, "version")
    paths = [check_file_path(file.path) for file in manifest.files]
    if len({path.lower() for path in paths}) != len(paths):
        raise kind("two of its files have the same name")
    if manifest.artefact not in paths:
        raise kind(f"its artefact `{manifest.artefact}` is not among its files")
    for file in manifest.files:
        if _SHA256.fullmatch(file.sha256) is None or file.bytes < 0:
            raise kind(f"file `{file.path}`: no SHA-256 in hex, or a negative size")
    if not manifest.inputs or not manifest.outputs:
        raise kind("its signature is empty")
    for name, value in manifest.metrics.items():
        if not math.isfinite(value):
            raise kind(f"metric `{name}` is {value}; a metric is a finite number")
