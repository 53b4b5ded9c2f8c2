"""A registry behind a URL that fsspec knows: s3, gs, az, memory, … Each but memory needs its own package.

An object store shows an object once it is whole, so `put` needs no second name. `create` is exclusive where the
store has conditional writes.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import fsspec

from streamapp.errors import ConfigError, RegistryForbidden, RegistryUnavailable, StreamappError
from streamapp.models.storage import Absent, secrets_of

_MESSAGE_CHARS = 300


class RemoteStorage:
    """The `Storage` of an fsspec filesystem. shown: the URL as messages may have it."""

    def __init__(self, url: str, shown: str) -> None:
        self._shown = shown
        self._secrets = secrets_of(url)
        try:
            self._fs, root = fsspec.core.url_to_fs(url, use_listings_cache=False)
        except ImportError as error:
            raise ConfigError(f"registry {shown}: {self._clean(error)}") from error
        except ValueError:
            # Without its cause, whose message may repeat the URL and its credentials.
            known = url.partition("://")[0]
            raise ConfigError(f"registry {shown}: fsspec cannot use this URL (scheme `{known}`)") from None
        self._root: str = str(root).rstrip("/")
        # `bucket/prefix` for object stores, where only the bucket is made; `/a/b` where folders are.
        self._place = self._root.partition("/")[0] or self._root

    def check(self) -> None:
        """Raises `RegistryUnavailable` where the bucket is not there, or the folder in storages that have folders."""
        with self._told(""):
            if not self._fs.exists(self._place):
                raise RegistryUnavailable(
                    f"registry {self._shown}: there is no such bucket or folder; create it or correct the URL"
                )

    def folders(self, path: str) -> tuple[str, ...]:
        """Names of the folders in `path`, sorted."""
        return self._entries(path, "directory")

    def files(self, path: str) -> tuple[str, ...]:
        """Names of the files in `path`, sorted."""
        return self._entries(path, "file")

    def exists(self, path: str) -> bool:
        """Is there a file?"""
        with self._told(path):
            return self._is_file(self._at(path))

    @contextmanager
    def open(self, path: str) -> Iterator[BinaryIO]:
        """Read a file. Raises `Absent`."""
        with self._told(path):
            try:
                file = self._fs.open(self._at(path), "rb")
            except FileNotFoundError as error:
                raise Absent(path) from error
            with file:
                yield file

    def put(self, path: str, source: Path) -> None:
        """Copy a file in."""
        with self._told(path):
            self._parents(path)
            self._fs.put_file(str(source), self._at(path))

    def create(self, path: str, content: bytes) -> bool:
        """Write a small file whole, unless there is one; two that do so at once may both be told True where the
        store has no conditional writes, so the caller reads back what is there."""
        with self._told(path):
            self._parents(path)
            if self._is_file(self._at(path)):
                return False
            try:
                self._fs.pipe_file(self._at(path), content, mode="create")
            except FileExistsError:
                return False
            except NotImplementedError:
                self._fs.pipe_file(self._at(path), content)
            return True

    def change(self, path: str, edit: Callable[[bytes | None], bytes | None]) -> None:
        """Replace a small file by what `edit` makes of it. Of two at once, the later one wins."""
        with self._told(path):
            at = self._at(path)
            try:
                before = self._fs.cat_file(at)
            except FileNotFoundError:
                before = None
            if (content := edit(before)) is not None:
                self._parents(path)
                self._fs.pipe_file(at, content)

    def writable(self, path: str) -> bool | None:
        """An object store tells only by being written to."""
        return None

    def _entries(self, path: str, kind: str) -> tuple[str, ...]:
        with self._told(path):
            try:
                found: list[dict[str, Any]] = self._fs.ls(self._at(path), detail=True)
            except (FileNotFoundError, NotADirectoryError):
                return ()
            names = {str(entry["name"]).rstrip("/").rpartition("/")[2] for entry in found if entry["type"] == kind}
            return tuple(sorted(filter(None, names)))

    def _is_file(self, at: str) -> bool:
        # fsspec's own `isfile` takes a store that does not answer for one that has no such file.
        try:
            return bool(self._fs.info(at)["type"] == "file")
        except FileNotFoundError:
            return False

    def _at(self, path: str) -> str:
        return f"{self._root}/{path}" if path else self._root

    def _parents(self, path: str) -> None:
        self._fs.makedirs(self._at(path).rpartition("/")[0], exist_ok=True)

    @contextmanager
    def _told(self, path: str) -> Iterator[None]:
        try:
            yield
        except (StreamappError, Absent):
            raise
        except Exception as error:  # noqa: BLE001 - each storage library has errors of its own
            kind = RegistryForbidden if isinstance(error, PermissionError) else RegistryUnavailable
            # Without its cause: what a storage library says may repeat the URL with its credentials.
            raise kind(f"registry {self._shown}: {path}: {self._clean(error)}") from None

    def _clean(self, error: Exception) -> str:
        said = " ".join(f"{type(error).__name__}: {error}".split())
        for secret in self._secrets:
            said = said.replace(secret, "***")
        return said[:_MESSAGE_CHARS]
