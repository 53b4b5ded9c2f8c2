"""Only a whole, verified copy is ever seen."""

import os
import threading

import fsspec
import pytest

from streamapp.errors import IntegrityError, RegistryUnavailable
from streamapp.models import Registry
from streamapp.models.remote import RemoteStorage


def stored(url: str, given, name: str = "model.onnx") -> str:
    return f"{fsspec.core.url_to_fs(url)[1]}/fraud/1/{given.content}/{name}"


def test_all_files_come_with_their_folders(registry, manifest, folder, tmp_path):
    registry.add(manifest(extra={"data/w.bin": b"more"}), folder)
    path = registry.fetch("fraud", "1", tmp_path / "cache")
    assert (path.name, path.read_bytes(), (path.parent / "data/w.bin").read_bytes()) == (
        "model.onnx", b"weights", b"more",
    )  # fmt: skip


def test_a_second_fetch_reads_nothing_from_the_store(url, registry, manifest, folder, tmp_path):
    given = manifest()
    registry.add(given, folder)
    registry.add(manifest("2"), folder)
    first = registry.fetch("fraud", "1", tmp_path / "cache")
    fsspec.open(url).fs.rm(stored(url, given))
    assert registry.fetch("fraud", "1", tmp_path / "cache") == first
    assert registry.fetch("fraud", "2", tmp_path / "cache") == first, "the same content is kept once"


def test_a_damaged_copy_is_replaced(registry, manifest, folder, tmp_path):
    registry.add(manifest(), folder)
    path = registry.fetch("fraud", "1", tmp_path / "cache")
    path.write_bytes(b"WEIGHTS")
    assert registry.fetch("fraud", "1", tmp_path / "cache").read_bytes() == b"weights"
    assert [entry.name for entry in (tmp_path / "cache").iterdir()] == [path.parent.name]


@pytest.mark.parametrize(("content", "said"), [(b"WEIGHTS", "SHA-256"), (b"weights+", "7 bytes"), (b"w", "7 bytes")])
def test_tampered_files_are_refused_and_leave_nothing(url, registry, manifest, folder, tmp_path, content, said):
    given = manifest()
    registry.add(given, folder)
    fsspec.open(url).fs.pipe_file(stored(url, given), content)
    for use in (lambda: registry.fetch("fraud", "1", tmp_path / "cache"), lambda: registry.verify("fraud", "1")):
        with pytest.raises(IntegrityError, match=said):
            use()
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_file_that_is_gone_is_named(url, registry, manifest, folder, tmp_path):
    given = manifest()
    registry.add(given, folder)
    fsspec.open(url).fs.rm(stored(url, given))
    with pytest.raises(IntegrityError, match=r"model\.onnx.*gone"):
        registry.fetch("fraud", "1", tmp_path / "cache")


@pytest.mark.parametrize("link", [os.symlink, os.link])
def test_links_in_a_local_registry_are_refused(manifest, folder, tmp_path, link):
    registry, given = Registry(tmp_path / "registry"), manifest()
    registry.add(given, folder)
    (tmp_path / "secret").write_bytes(b"weights")
    path = tmp_path / "registry/fraud/1" / given.content / "model.onnx"
    path.unlink()
    link(tmp_path / "secret", path)
    with pytest.raises(IntegrityError, match="link"):
        registry.fetch("fraud", "1", tmp_path / "cache")


def test_a_linked_folder_in_a_local_registry_is_refused(manifest, folder, tmp_path):
    Registry(tmp_path / "elsewhere").add(manifest(), folder)
    (tmp_path / "registry").mkdir()
    (tmp_path / "registry/fraud").symlink_to(tmp_path / "elsewhere/fraud")
    registry = Registry(tmp_path / "registry")
    with pytest.raises(IntegrityError, match="symbolic link"):
        registry.version("fraud", "1")
    assert registry.models() == ()


def test_a_linked_copy_in_the_cache_is_not_believed(registry, manifest, folder, tmp_path):
    registry.add(manifest(), folder)
    path = registry.fetch("fraud", "1", tmp_path / "cache")
    (tmp_path / "secret").write_bytes(b"weights")
    path.unlink()
    path.symlink_to(tmp_path / "secret")
    assert not registry.fetch("fraud", "1", tmp_path / "cache").is_symlink()


def test_many_fetch_at_once_and_all_see_it_whole(manifest, folder, tmp_path):
    # A folder only: threads that read one file of fsspec's memory store share their place in it.
    registry = Registry(tmp_path / "registry")
    registry.add(manifest(content=b"w" * 3_000_000), folder)
    seen: list[int] = []
    start = threading.Barrier(8)

    def fetch() -> None:
        start.wait()
        seen.append(len(registry.fetch("fraud", "1", tmp_path / "cache").read_bytes()))

    threads = [threading.Thread(target=fetch) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [3_000_000] * 8
    assert len(list((tmp_path / "cache").iterdir())) == 1


def test_a_cache_that_cannot_be_written_says_so(registry, manifest, folder, tmp_path):
    registry.add(manifest(), folder)
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(RegistryUnavailable, match="cannot keep a copy"):
        registry.fetch("fraud", "1", tmp_path / "file")


@pytest.mark.parametrize("written", ["hunter2", "hunter%32"])
def test_what_a_store_says_is_told_without_its_credentials(written):
    storage = RemoteStorage(f"memory://key:{written}@bucket/models", "memory://bucket/models")
    with pytest.raises(RegistryUnavailable) as raised, storage._told("fraud"):
        raise RuntimeError("GET https://key:hunter2@host failed for hunter2")
    assert "hunter2" not in str(raised.value)
    assert "GET https://***@host failed" in str(raised.value)
