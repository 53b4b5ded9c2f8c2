"""Where a registry is kept: what it needs from a folder or an object store, and how its URL is shown."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO, Protocol
from urllib.parse import unquote, urlsplit

from streamapp.errors import ConfigError


class Absent(Exception):
    """The file that was to be read is not there."""


class Storage(Protocol):
    """Paths are relative, `/` between parts, and already checked. Everything raises `RegistryUnavailable`, or its kind
    `RegistryForbidden` where the storage says so."""

    def check(self) -> None:
        """Raises `RegistryUnavailable` where there is no registry at all: its folder, or the bucket of an object store,
        is gone or was never made. One that holds nothing is there."""
        ...

    def folders(self, path: str) -> tuple[str, ...]:
        """Names of the folders in `path`, sorted; none if it is absent."""
        ...

    def files(self, path: str) -> tuple[str, ...]:
        """Names of the files in `path`, sorted; none if it is absent."""
        ...

    def exists(self, path: str) -> bool:
        """Is there a file?"""
        ...

    def open(self, path: str) -> AbstractContextManager[BinaryIO]:
        """Read a file. Raises `Absent`."""
        ...

    def put(self, path: str, source: Path) -> None:
        """Copy a file in; nobody sees half of it."""
        ...

    def create(self, path: str, content: bytes) -> bool:
        """Write a small file whole, unless there is one: False then."""
        ...

    def change(self, path: str, edit: Callable[[bytes | None], bytes | None]) -> None:
        """Replace a small file by what `edit` makes of it (None: absent; returns None: leave it)."""
        ...

    def writable(self, path: str) -> bool | None:
        """Whether this process may write into that folder, which need not exist; None where that cannot be told
        without writing. Nothing is written."""
        ...


def open_storage(url: str | Path) -> Storage:
    """A local folder for a path or a `file://` URL, else whatever fsspec knows. Raises `ConfigError`."""
    text = str(url)
    if not text.strip():
        raise ConfigError("the registry's URL is empty; name a folder or a URL such as s3://bucket/models")
    if "::" in text:
        raise ConfigError(f"registry {shown_url(text)}: chained URLs (`::`) are refused; name the storage itself")
    scheme, separator, rest = text.partition("://")
    if not separator or scheme == "file":
        from streamapp.models.local import LocalStorage

        return LocalStorage(Path(rest if separator else text))
    from streamapp.models.remote import RemoteStorage

    return RemoteStorage(text, shown_url(text))


def shown_url(text: str) -> str:
    """Without user, password and query, which may hold credentials.

    >>> shown_url("s3://key:secret@bucket/models?token=x")
    's3://bucket/models'
    """
    if "://" not in text:
        return text
    try:
        parts = urlsplit(text)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
    except ValueError:
        return f"{text.partition('://')[0]}://…"


def secrets_of(text: str) -> tuple[str, ...]:
    """What `shown_url` leaves out, as written and as meant, the longest first.

    >>> secrets_of("s3://key:secret@bucket/models?token=x")
    ('key:secret', 'token=x', 'secret', 'key')
    """
    try:
        parts = urlsplit(text)
    except ValueError:
        return (text,)
    user = parts.netloc.rpartition("@")[0]
    found = {user, *user.split(":"), parts.query, parts.fragment}
    found |= set(map(unquote, found))
    return tuple(sorted(filter(None, found), key=lambda secret: (-len(secret), secret)))
