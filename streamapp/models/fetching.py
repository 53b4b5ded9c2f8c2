"""Files out of the registry, each believed only once its size and SHA-256 are the manifest's.

Fetching:
1. A folder named by the content's digest that is there already is verified and used; a damaged one is set aside.
2. Else the files are written beside it and hashed on the way; only a complete, verified copy gets the name, in one
   rename. Whoever is interrupted leaves a folder that nobody reads.
3. Of two at once the first one's copy stays, and the second one verifies that.
"""

import hashlib
import os
import secrets
import shutil
from contextlib import nullcontext
from pathlib import Path
from typing import BinaryIO

from streamapp.errors import IntegrityError, RegistryUnavailable
from streamapp.models.local import LocalStorage
from streamapp.models.manifest import MAX_BYTES, Manifest, ModelFile
from streamapp.models.storage import Absent, Storage

_BLOCK_BYTES = 1 << 20


def read_small(storage: Storage, path: str) -> bytes | None:
    """A manifest or an alias; None if it is absent. Raises `IntegrityError` for one that is too large to be one."""
    try:
        with storage.open(path) as file:
            content = file.read(MAX_BYTES + 1)
    except Absent:
        return None
    if len(content) > MAX_BYTES:
        raise IntegrityError(f"{path}: larger than {MAX_BYTES} bytes; it cannot be a manifest")
    return content


def hash_version(storage: Storage, folder: str, manifest: Manifest) -> None:
    """Read every file once. Raises `IntegrityError`."""
    for file in manifest.files:
        _copy(storage, folder, file, None)


def fetch_version(storage: Storage, folder: str, manifest: Manifest, into: Path) -> Path:
    """The artefact in a verified copy of the version's files below `into`. Raises `IntegrityError`."""
    target = into / manifest.content
    try:
        if not _is_whole(target, manifest):
            _make(storage, folder, manifest, target)
    except OSError as error:
        raise RegistryUnavailable(f"{into}: cannot keep a copy there: {error.strerror or error}") from error
    return target / manifest.artefact


def _make(storage: Storage, folder: str, manifest: Manifest, target: Path) -> None:
    part = target.with_name(f".{target.name}.{secrets.token_hex(6)}.part")
    try:
        for file in manifest.files:
            path = part / file.path
            path.parent.mkdir(parents=True, exist_ok=True)
            _copy(storage, folder, file, path)
        if target.exists() and not _is_whole(target, manifest):
            _set_aside(target)
        try:
            os.rename(part, target)
        except OSError:
            if not _is_whole(target, manifest):
                raise
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _set_aside(damaged: Path) -> None:
    aside = damaged.with_name(f".{damaged.name}.{secrets.token_hex(6)}.part")
    os.rename(damaged, aside)
    shutil.rmtree(aside, ignore_errors=True)


def _is_whole(target: Path, manifest: Manifest) -> bool:
    if target.is_symlink() or not target.is_dir():
        return False
    try:
        hash_version(LocalStorage(target), "", manifest)
    except IntegrityError:
        return False
    return True


def _copy(storage: Storage, folder: str, file: ModelFile, into: Path | None) -> None:
    """Read `file`, into a new file if there is a place for it, and compare. Raises `IntegrityError`."""
    where = f"{folder}/{file.path}" if folder else file.path
    digest, size = hashlib.sha256(), 0
    try:
        with storage.open(where) as source, into.open("xb") if into else nullcontext() as copy:
            while size <= file.bytes and (block := source.read(_BLOCK_BYTES)):
                size += len(block)
                digest.update(block)
                _write(copy, block)
    except Absent:
        storage.check()
        raise IntegrityError(f"{where}: the manifest names it, but it is gone") from None
    if size != file.bytes:
        raise IntegrityError(f"{where}: not the {file.bytes} bytes of the manifest; tampered with or damaged")
    if digest.hexdigest() != file.sha256:
        raise IntegrityError(
            f"{where}: SHA-256 is {digest.hexdigest()}, but the manifest says {file.sha256}; tampered with or damaged"
        )


def _write(copy: BinaryIO | None, block: bytes) -> None:
    if copy is not None:
        copy.write(block)
