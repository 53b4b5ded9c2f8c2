import hashlib
import os
from pathlib import Path

import pytest

from streamapp.errors import ModelLoadError
from streamapp.infer.artifact import check_digest, check_file, read_pinned


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "m.bin"
    path.write_bytes(b"weights")
    return path


def test_a_plain_file_passes(model: Path):
    check_file(model)


def test_an_absent_file_is_refused(tmp_path: Path):
    with pytest.raises(ModelLoadError, match="no such file"):
        check_file(tmp_path / "absent")


def test_a_folder_is_refused(tmp_path: Path):
    with pytest.raises(ModelLoadError, match="not a regular file"):
        check_file(tmp_path)


def test_a_symbolic_link_is_refused(model: Path, tmp_path: Path):
    (tmp_path / "link").symlink_to(model)
    with pytest.raises(ModelLoadError, match="symbolic link"):
        check_file(tmp_path / "link")


def test_a_hard_link_is_refused(model: Path, tmp_path: Path):
    os.link(model, tmp_path / "hard")
    with pytest.raises(ModelLoadError, match="2 hard links"):
        check_file(model)


def test_the_digest_decides(model: Path):
    digest = hashlib.sha256(b"weights").hexdigest()
    check_digest(model, digest)
    assert read_pinned(model, digest.upper(), "why") == b"weights"
    with pytest.raises(ModelLoadError, match=digest):
        check_digest(model, "0" * 64)
    with pytest.raises(ModelLoadError, match="pins 0000"):
        read_pinned(model, "0" * 64, "why")


def test_without_a_pin_nothing_is_read(model: Path):
    with pytest.raises(ModelLoadError, match=r"it can run code, so .*model\.sha256"):
        read_pinned(model, None, "it can run code")
