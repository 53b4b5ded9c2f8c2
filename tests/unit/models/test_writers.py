"""Two writers of one version: one of them wins, whole."""

import threading
from dataclasses import replace

import fsspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamapp.errors import VersionTaken
from streamapp.models import Registry
from streamapp.models.names import check_file_path, check_name, is_name
from streamapp.models.storage import open_storage


# Not the memory store: it has no conditional writes.
@pytest.mark.parametrize("url", ["folder", "s3"], indirect=True)
def test_of_many_writers_one_wins_and_nothing_is_mixed(url, manifest, tmp_path):
    folders, manifests = [], []
    for number in range(8):
        folder = tmp_path / f"writer-{number}"
        folder.mkdir()
        built = manifest(content=b"a" * (number + 1), extra={"data.bin": b"b" * (number + 1)})
        (folder / "model.onnx").write_bytes(b"a" * (number + 1))
        (folder / "data.bin").write_bytes(b"b" * (number + 1))
        folders.append(folder)
        manifests.append(replace(built, registered_by=f"writer-{number}"))
    start, won, refused = threading.Barrier(8), [], []

    def write(number: int) -> None:
        start.wait()
        try:
            assert Registry(url).add(manifests[number], folders[number])
            won.append(number)
        except VersionTaken:
            refused.append(number)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(won), len(refused)) == (1, 7)
    registry = Registry(url)
    assert registry.verify("fraud", "1") == manifests[won[0]]
    path = registry.fetch("fraud", "1", tmp_path / "cache")
    assert len(path.read_bytes()) == len((path.parent / "data.bin").read_bytes()) == won[0] + 1


def test_a_slower_writer_with_other_files_changes_nothing(url, registry, manifest, folder, tmp_path):
    """It copied its files, was overtaken, copied them again and came to its manifest."""
    slow = manifest(content=b"slow")
    files, root = fsspec.core.url_to_fs(url)
    files.makedirs(f"{root}/fraud/1/{slow.content}", exist_ok=True)
    files.pipe_file(f"{root}/fraud/1/{slow.content}/model.onnx", b"slow")
    fast = manifest(content=b"fast")
    assert registry.add(fast, folder)
    with pytest.raises(VersionTaken):
        registry.add(slow, folder)
    assert registry.version("fraud", "1") == fast
    assert registry.fetch("fraud", "1", tmp_path / "cache").read_bytes() == b"fast"


def test_a_manifest_is_created_once(url, registry):
    storage = open_storage(url)
    assert storage.create("fraud/1/manifest.json", b"first")
    assert not storage.create("fraud/1/manifest.json", b"second")
    with storage.open("fraud/1/manifest.json") as file:
        assert file.read() == b"first"


def test_a_local_alias_loses_no_step_when_many_move_it(tmp_path, manifest, folder):
    registry = Registry(tmp_path / "registry")
    for number in range(8):
        registry.add(manifest(str(number)), folder)
    start = threading.Barrier(8)

    def move(number: int) -> None:
        start.wait()
        registry._storage.change("fraud/_aliases/champion.json", registry._step("fraud", "champion", str(number), "x"))

    threads = [threading.Thread(target=move, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (alias,) = registry.aliases("fraud")
    assert sorted(step.target for step in alias.history) == sorted(map(str, range(8)))
    assert [step.source for step in alias.history[1:]] == [step.target for step in alias.history[:-1]]


def test_what_is_half_written_is_not_seen(tmp_path, manifest, folder):
    """A writer that was killed leaves its files, but no version; the next one with the same content finishes."""
    registry, built = Registry(tmp_path / "registry"), manifest()
    left = tmp_path / "registry/fraud/1" / built.content
    left.mkdir(parents=True)
    (left / "model.onnx").write_bytes(b"wei")
    (left / ".model.onnx.0123456789ab.part").write_bytes(b"wei")
    assert registry.models() == ()
    assert registry.add(built, folder)
    assert registry.fetch("fraud", "1", tmp_path / "cache").read_bytes() == b"weights"


@settings(max_examples=300)
@given(st.text(alphabet="ab1._-/\\%: \n\0", max_size=8))
def test_a_name_that_passes_is_one_part_of_a_path(text):
    if is_name(text):
        assert check_name(text, "model") == text
        assert text[0].isalnum()
        assert not {"..", "/", "\\", "%", ":", "\0", "\n"} & {text, *text}
        assert check_file_path(text) == text
