"""A registry in a local folder. Links in it are refused: what they point to can be swapped or lie elsewhere."""

import errno
import fcntl
import os
import secrets
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from streamapp.errors import IntegrityError, RegistryForbidden, RegistryUnavailable
from streamapp.models.storage import Absent

_FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)


class LocalStorage:
    """The `Storage` of a folder, which is made when something is first put there."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def check(self) -> None:
        """Raises `RegistryUnavailable` where the folder is not there."""
        with self._told(""):
            if not self._root.is_dir():
                raise RegistryUnavailable(
                    f"registry {self._root}: there is no such folder; mount it or correct the path (a new one is made "
                    "when a model is first registered there)"
                )

    def folders(self, path: str) -> tuple[str, ...]:
        """Names of the folders in `path`, sorted."""
        return self._entries(path, folders=True)

    def files(self, path: str) -> tuple[str, ...]:
        """Names of the files in `path`, sorted; half-written ones are left out."""
        return tuple(name for name in self._entries(path, folders=False) if not name.startswith("."))

    def exists(self, path: str) -> bool:
        """Is there a file?"""
        with self._told(path):
            return self._safe(path).is_file()

    @contextmanager
    def open(self, path: str) -> Iterator[BinaryIO]:
        """Read a file. Raises `Absent`, and `IntegrityError` for a link."""
        with self._told(path):
            target = self._safe(path)
            try:
                handle = os.open(target, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
            except FileNotFoundError as error:
                raise Absent(path) from error
            with os.fdopen(handle, "rb") as file:
                status = os.fstat(handle)
                if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:
                    raise IntegrityError(f"{target}: is a link or no regular file; refused")
                yield file

    def put(self, path: str, source: Path) -> None:
        """Copy a file in; nobody sees half of it."""
        with self._told(path), source.open("rb") as origin, self._replacing(path) as copy:
            shutil.copyfileobj(origin, copy, 1 << 20)

    def create(self, path: str, content: bytes) -> bool:
        """Write a small file whole, unless there is one."""
        with self._told(path), self._locked(path):
            if self._safe(path).exists():
                return False
            self._write(path, content)
            return True

    def change(self, path: str, edit: Callable[[bytes | None], bytes | None]) -> None:
        """Replace a small file by what `edit` makes of it, one at a time."""
        with self._told(path), self._locked(path):
            target = self._safe(path)
            content = edit(target.read_bytes() if target.exists() else None)
            if content is not None:
                self._write(path, content)

    def writable(self, path: str) -> bool | None:
        """Whether this process may write into that folder, or make it."""
        with self._told(path):
            folder = self._safe(path).absolute()
            while not folder.exists() and folder != folder.parent:
                folder = folder.parent
            return os.access(folder, os.W_OK | os.X_OK)

    def _entries(self, path: str, *, folders: bool) -> tuple[str, ...]:
        with self._told(path):
            try:
                with os.scandir(self._safe(path)) as found:
                    kinds = [(entry.name, entry.is_dir(follow_symlinks=False), entry.is_symlink()) for entry in found]
            except (FileNotFoundError, NotADirectoryError):
                return ()
            return tuple(sorted(name for name, folder, link in kinds if folder == folders and not link))

    def _safe(self, path: str) -> Path:
        """The path below the root. Raises `IntegrityError` if a link is on the way."""
        at = self._root
        for part in filter(None, path.split("/")):
            at = at / part
            if at.is_symlink():
                raise IntegrityError(f"{at}: is a symbolic link; links are refused in a registry")
        return at

    def _write(self, path: str, content: bytes) -> None:
        with self._replacing(path) as file:
            file.write(content)

    @contextmanager
    def _replacing(self, path: str) -> Iterator[BinaryIO]:
        """A new file that takes its place at the end, once it is on the disk; gone if that fails."""
        target = self._safe(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f".{target.name[:100]}.{secrets.token_hex(6)}.part")
        try:
            with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666), "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.replace(part, target)
        finally:
            part.unlink(missing_ok=True)

    @contextmanager
    def _locked(self, path: str) -> Iterator[None]:
        """One writer per model."""
        folder = self._safe(path.partition("/")[0])
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    @contextmanager
    def _told(self, path: str) -> Iterator[None]:
        try:
            yield
        except Absent:
            raise
        except OSError as error:
            kind = RegistryForbidden if error.errno in _FORBIDDEN else RegistryUnavailable
            raise kind(f"registry {self._root}: {path}: {error.strerror or error}") from error
