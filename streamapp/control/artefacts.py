"""Versions from the model registry, as a pipeline loads them."""

from pathlib import Path

from streamapp.errors import RegistryError
from streamapp.models import Registry
from streamapp.protocols import Artefact


class RegistryArtefacts:
    """The `ArtefactSource` of a registry; verified copies are kept in `cache`."""

    def __init__(self, registry: Registry, cache: Path) -> None:
        self._registry = registry
        self._cache = cache

    def fetch(self, model: str, version: str) -> Artefact:
        """A verified local copy. Raises `ModelLoadError`'s kin: `UnknownVersion`, `IntegrityError`, and
        `RegistryUnavailable`."""
        manifest = self._registry.version(model, version)
        path = self._registry.fetch(model, version, self._cache)
        digest = next((file.sha256 for file in manifest.files if file.path == manifest.artefact), None)
        if digest is None:
            raise RegistryError(f"version `{version}` of model `{model}` lists no file {manifest.artefact}")
        return Artefact(path, digest, manifest.runtime, manifest.signature)
