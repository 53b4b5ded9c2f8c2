"""The registry: `<url>/<model>/<version>/manifest.json`, and the version's files in a folder beside it.

Adding a version:
1. Refuse a version that exists: the same content is no more work, other content is an error. Nothing is written.
2. Copy the files into `<version>/<content>/`, content being the digest of them all: two writers with different files
   never share a folder, two with the same files write the same bytes.
3. Create the manifest, only if there is none. From here on the version exists; before, nobody sees it.
4. Read the manifest back and compare, since not every object store can do 3 exclusively.
"""

from collections.abc import Callable, Sequence
from difflib import get_close_matches
from pathlib import Path

from streamapp.clock import SystemClock
from streamapp.errors import IntegrityError, RegistryError, UnknownVersion, VersionTaken
from streamapp.models.aliases import FOLDER, Alias, alias_path, moved
from streamapp.models.aliases import decode as decode_alias
from streamapp.models.aliases import encode as encode_alias
from streamapp.models.fetching import fetch_version, hash_version, read_small
from streamapp.models.manifest import Manifest, decode, difference, encode
from streamapp.models.names import check_name, is_name
from streamapp.models.storage import open_storage, shown_url
from streamapp.models.times import iso_of_ms
from streamapp.protocols import Clock

Condition = Callable[[Alias], bool]

MANIFEST = "manifest.json"
_LISTED = 20


class Registry:
    """Versions and aliases of models in a folder or behind an fsspec URL. Safe to use from several processes.

    Everything raises `RegistryUnavailable` when the storage does not answer, `RegistryForbidden`, a kind of it, where
    the storage does not permit it, and `ConfigError` for a URL that cannot be one. What holds no version may still be a
    registry; where there is no folder or bucket at all, none of its versions is called unknown: it is unavailable.
    """

    def __init__(self, url: str | Path, clock: Clock | None = None) -> None:
        self.url = shown_url(str(url))
        """Where it is, without credentials."""
        self._storage = open_storage(url)
        self._clock = clock or SystemClock()

    def check(self) -> None:
        """Raises `RegistryUnavailable` where there is no registry at all; one that holds nothing yet is there."""
        self._storage.check()

    def writable(self, model: str) -> bool | None:
        """Whether this process may move the model's aliases, None where only writing would tell."""
        return self._storage.writable(f"{check_name(model, 'model')}/{FOLDER}")

    def models(self) -> tuple[str, ...]:
        """Names of the models that have a version. Raises `RegistryUnavailable` where there is no registry."""
        found = tuple(name for name in _named(self._storage.folders("")) if self.versions(name))
        if not found:
            self.check()
        return found

    def known(self, model: str) -> str:
        """`model`, if it has a version. Raises `UnknownVersion` that names the models there are."""
        if not self.versions(model):
            raise self._unknown(model, "version")
        return model

    def versions(self, model: str) -> tuple[str, ...]:
        """Names of the model's versions; none if there is no such model."""
        check_name(model, "model")
        found = _named(self._storage.folders(model))
        return tuple(name for name in found if self._storage.exists(f"{model}/{name}/{MANIFEST}"))

    def version(self, model: str, version: str) -> Manifest:
        """The manifest. Raises `UnknownVersion` that names what there is, `IntegrityError` for a damaged one."""
        check_name(model, "model")
        check_name(version, "version")
        found = self._manifest(model, version)
        if found is None:
            raise self._unknown(model, f"version `{version}`")
        return found

    def aliases(self, model: str) -> tuple[Alias, ...]:
        """The model's aliases, by name."""
        check_name(model, "model")
        names = [name.removesuffix(".json") for name in self._storage.files(f"{model}/{FOLDER}")]
        return tuple(alias for name in _named(names) if (alias := self._alias(model, name)))

    def alias(self, model: str, alias: str) -> Alias | None:
        """One of them, None if there is no such alias."""
        check_name(model, "model")
        check_name(alias, "alias")
        return self._alias(model, alias)

    def resolve(self, model: str, reference: str) -> str:
        """The version that `reference` means: a version, an alias, or `@alias`. Raises `UnknownVersion`."""
        check_name(model, "model")
        name = check_name(reference.removeprefix("@"), "version or alias")
        if not reference.startswith("@") and self._storage.exists(f"{model}/{name}/{MANIFEST}"):
            return name
        alias = self._alias(model, name)
        if alias is None:
            raise self._unknown(model, f"alias `{name}`" if reference.startswith("@") else f"version or alias `{name}`")
        return alias.version

    def fetch(self, model: str, version: str, into: Path) -> Path:
        """A verified local copy of the version's files, made once per content; the path of its artefact.

        Blocking. Raises `UnknownVersion`, and `IntegrityError` for files that are not what the manifest says.
        """
        manifest = self.version(model, version)
        return fetch_version(self._storage, self._files(manifest), manifest, into)

    def verify(self, model: str, version: str) -> Manifest:
        """Read every file of the version as it is in the registry. Raises `UnknownVersion`, `IntegrityError`."""
        manifest = self.version(model, version)
        hash_version(self._storage, self._files(manifest), manifest)
        return manifest

    def add(self, manifest: Manifest, folder: Path) -> bool:
        """Make a version of the files in `folder`; False if it exists with the same content.

        Raises `VersionTaken` if it exists with other content, `UnknownVersion` for an unknown parent.
        """
        content = encode(manifest)
        model, version = manifest.model, manifest.version
        there = self._manifest(model, version)
        if there is not None:
            return self._same(manifest, there)
        if self._storage.exists(alias_path(model, version)):
            raise VersionTaken(f"`{version}` is an alias of model `{model}`; choose another version")
        if manifest.parent is not None:
            self.version(model, manifest.parent)
        for file in manifest.files:
            self._storage.put(f"{self._files(manifest)}/{file.path}", folder / file.path)
        if not self._storage.create(f"{model}/{version}/{MANIFEST}", content):
            return self._same(manifest, self.version(model, version))
        there = self.version(model, version)
        return True if there == manifest else self._same(manifest, there)

    def point(self, model: str, alias: str, version: str, who: str, provided: Condition | None = None) -> Alias:
        """Let an alias mean `version` from now on; a repetition changes nothing.

        provided: asked with the alias that is there at that moment, if there is one; where it says no, nothing changes.
        Returns the alias as it is then. Raises `UnknownVersion`, and `RegistryError` for an alias that is called like a
        version.
        """
        check_name(alias, "alias")
        self.version(model, version)
        if self._storage.exists(f"{model}/{alias}/{MANIFEST}"):
            raise RegistryError(f"`{alias}` is a version of model `{model}`; an alias needs a name of its own")
        self._storage.change(alias_path(model, alias), self._step(model, alias, version, who, provided))
        now = self._alias(model, alias)
        if now is None or (now.version != version and provided is None):
            raise RegistryError(f"alias `{alias}` of model `{model}` was moved by somebody else at the same time")
        return now

    def _step(
        self, model: str, alias: str, version: str, who: str, provided: Condition | None = None
    ) -> Callable[[bytes | None], bytes | None]:
        def edit(content: bytes | None) -> bytes | None:
            before = decode_alias(content, f"{self.url}/{alias_path(model, alias)}") if content is not None else None
            if before is not None and (before.version == version or not (provided is None or provided(before))):
                return None
            return encode_alias(moved(before, alias, version, who, iso_of_ms(self._clock.now_ms())))

        return edit

    def _files(self, manifest: Manifest) -> str:
        return f"{manifest.model}/{manifest.version}/{manifest.content}"

    def _manifest(self, model: str, version: str) -> Manifest | None:
        path = f"{model}/{version}/{MANIFEST}"
        content = read_small(self._storage, path)
        if content is None:
            return None
        manifest = decode(content, f"{self.url}/{path}")
        if (manifest.model, manifest.version) != (model, version):
            raise IntegrityError(
                f"{self.url}/{path}: is the manifest of {manifest.model} {manifest.version}; somebody moved it"
            )
        return manifest

    def _alias(self, model: str, alias: str) -> Alias | None:
        path = alias_path(model, alias)
        content = read_small(self._storage, path)
        return None if content is None else decode_alias(content, f"{self.url}/{path}")

    def _same(self, ours: Manifest, theirs: Manifest) -> bool:
        """False, for nothing to be done. Raises `VersionTaken`."""
        different = difference(ours, theirs)
        if different:
            raise VersionTaken(
                f"model `{ours.model}` version `{ours.version}` exists with other content "
                f"({', '.join(different)}), registered {theirs.registered_at} by {theirs.registered_by}; "
                "versions never change, choose another one"
            )
        return False

    def _unknown(self, model: str, what: str) -> UnknownVersion:
        versions = self.versions(model)
        if not versions:
            models = self.models()
            near = get_close_matches(model, models, n=1)
            return UnknownVersion(
                f"registry {self.url}: no model `{model}`"
                + (f"; did you mean `{near[0]}`?" if near else f"; it has {_listing(models)}")
            )
        aliases = [f"{alias.alias} -> {alias.version}" for alias in self.aliases(model)]
        return UnknownVersion(
            f"registry {self.url}: model `{model}` has no {what}; versions: {_listing(versions)}; "
            f"aliases: {_listing(aliases)}"
        )


def _named(names: Sequence[str]) -> tuple[str, ...]:
    """Those that can be names; whatever else lies in the folder is not ours."""
    return tuple(name for name in names if is_name(name))


def _listing(names: Sequence[str]) -> str:
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + more if names else "none"
