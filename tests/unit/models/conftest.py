import hashlib
import itertools
from collections.abc import Callable
from pathlib import Path

import pytest

from streamapp.models import Manifest, Registry
from streamapp.models.manifest import ModelFile
from streamapp.protocols import TensorSpec
from streamapp.testing import ManualClock

NUMBERS = itertools.count()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the files of a version lie before they are added."""
    (tmp_path / "staged").mkdir()
    return tmp_path / "staged"


@pytest.fixture(params=["folder", "memory", "s3"])
def url(request, tmp_path: Path) -> str:
    """Every test of a registry runs on a folder, on an object store of fsspec's, and on one that speaks S3."""
    if request.param == "folder":
        return str(tmp_path / "registry")
    if request.param == "s3":
        return f"s3://{request.getfixturevalue('s3').bucket}/{next(NUMBERS)}/models"
    return f"memory://registry-{next(NUMBERS)}/models"


@pytest.fixture
def registry(url: str) -> Registry:
    return Registry(url, ManualClock(1_357_016_400_000))


@pytest.fixture
def manifest(folder: Path) -> Callable[..., Manifest]:
    """A manifest, and its files in `folder`."""

    def build(version: str = "1", content: bytes = b"weights", extra: dict[str, bytes] | None = None, **fields):
        named = {"model.onnx": content, **(extra or {})}
        for name, written in named.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(written)
        files = tuple(ModelFile(n, hashlib.sha256(c).hexdigest(), len(c)) for n, c in named.items())
        given = {
            "model": "fraud",
            "version": version,
            "runtime": "onnx",
            "artefact": "model.onnx",
            "files": files,
            "inputs": (TensorSpec("x", "float32", (None, 3)),),
            "outputs": (TensorSpec("p", "float32", (None, 1)),),
            "registered_by": "ana",
            "registered_at": "2026-01-01T00:00:00Z",
        }
        return Manifest(**{**given, **fields})

    return build
