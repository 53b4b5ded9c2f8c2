"""A model file that is safe to open: a regular file of its own, with the digest that was pinned."""

import hashlib
import os
import stat
from pathlib import Path

from streamapp.errors import ModelLoadError

_BLOCK_BYTES = 1 << 20


def check_file(path: Path, what: str = "model") -> None:
    """Refuse what is absent, not a regular file, or a link.

    Symbolic and hard links are refused because what they point to can be swapped or lie outside the model's
    folder (ONNX Runtime reads external data through them). Raises `ModelLoadError`.
    """
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        raise ModelLoadError(
            f"{what} {path}: no such file; check `model.path`, relative to the pipeline file"
        ) from None
    except OSError as error:
        raise ModelLoadError(f"{what} {path}: {error.strerror}") from error
    if stat.S_ISLNK(status.st_mode):
        raise ModelLoadError(f"{what} {path}: is a symbolic link; links are refused, name the file itself")
    if not stat.S_ISREG(status.st_mode):
        raise ModelLoadError(f"{what} {path}: is not a regular file")
    if status.st_nlink > 1:
        raise ModelLoadError(f"{what} {path}: has {status.st_nlink} hard links; links are refused, copy the file")


def check_digest(path: Path, sha256: str) -> None:
    """Refuse a file whose SHA-256 is not `sha256` (hex). Raises `ModelLoadError`."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
    _compare(path, digest.hexdigest(), sha256)


def read_pinned(path: Path, sha256: str | None, why: str) -> bytes:
    """The file's bytes, only if `sha256` is given and is theirs: what was verified is what gets loaded.

    `why` says what loading this format can do. Raises `ModelLoadError`.
    """
    if sha256 is None:
        raise ModelLoadError(
            f"model {path}: {why}, so it is loaded only if the pipeline file pins it: check where the file comes "
            "from, then set `model.sha256` to the output of `sha256sum`"
        )
    content = path.read_bytes()
    _compare(path, hashlib.sha256(content).hexdigest(), sha256)
    return content


def _compare(path: Path, found: str, pinned: str) -> None:
    if found != pinned.lower():
        raise ModelLoadError(f"model {path}: SHA-256 is {found}, but `model.sha256` pins {pinned}")
