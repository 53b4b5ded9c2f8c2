import errno
import json
from dataclasses import replace

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from streamapp.errors import (
    ConfigError,
    IntegrityError,
    RegistryError,
    RegistryForbidden,
    RegistryUnavailable,
    UnknownVersion,
    VersionTaken,
)
from streamapp.models import Registry
from streamapp.models.fetching import fetch_version
from streamapp.models.manifest import FeatureContract, Training
from streamapp.models.storage import open_storage

BAD_NAMES = ["", ".", "..", "../x", "..\\x", "a/b", "/etc", "%252e%252e", "file:", "file://x", "a..b", ".git", "-x",
             "_aliases", "a\n", "a b", "ä", "x" * 101]  # fmt: skip


def test_a_version_comes_back_as_it_was_registered(registry, manifest, folder):
    given = manifest(
        feature_service=FeatureContract("fraud_v1", "0" * 64),
        training=Training("s3://lake/x", "2026-01-01T00:00:00Z", None),
        code_version="abc",
        metrics={"auc": 0.9},
        source="model.onnx",
    )
    assert registry.add(given, folder)
    assert registry.version("fraud", "1") == given
    assert (registry.models(), registry.versions("fraud")) == (("fraud",), ("1",))


def test_the_same_content_again_is_no_more_work(registry, manifest, folder):
    first = manifest()
    registry.add(first, folder)
    assert not registry.add(replace(first, registered_by="bob", registered_at="2026-02-02T00:00:00Z"), folder)
    assert registry.version("fraud", "1").registered_by == "ana"


@pytest.mark.parametrize(
    ("changed", "named"), [({"content": b"other"}, "files"), ({"metrics": {"auc": 0.5}}, "metrics")]
)
def test_other_content_under_the_same_version_is_refused(registry, manifest, folder, tmp_path, changed, named):
    first = manifest()
    registry.add(first, folder)
    with pytest.raises(VersionTaken, match=rf"`fraud` version `1` exists with other content \({named}\).*by ana"):
        registry.add(manifest(**changed), folder)
    assert registry.version("fraud", "1") == first
    assert registry.fetch("fraud", "1", tmp_path / "cache").read_bytes() == b"weights"


def test_a_parent_must_exist(registry, manifest, folder):
    registry.add(manifest(model="other"), folder)
    with pytest.raises(UnknownVersion, match="no model `fraud`"):
        registry.add(manifest(parent="0"), folder)
    assert registry.versions("fraud") == ()


def test_a_version_without_its_manifest_does_not_exist(url, registry, manifest, folder):
    given = manifest()
    registry.add(given, folder)
    files, root = fsspec.core.url_to_fs(url)
    files.rm(f"{root}/fraud/1/manifest.json")
    assert registry.versions("fraud") == ()
    with pytest.raises(UnknownVersion):
        registry.version("fraud", "1")
    assert registry.add(given, folder)


def test_what_is_absent_is_named_beside_what_exists(registry, manifest, folder):
    registry.add(manifest("1"), folder)
    registry.add(manifest("2"), folder)
    registry.point("fraud", "champion", "1", "ana")
    for ask in (lambda: registry.version("fraud", "3"), lambda: registry.resolve("fraud", "@3")):
        with pytest.raises(UnknownVersion, match="versions: 1, 2; aliases: champion -> 1"):
            ask()
    with pytest.raises(UnknownVersion, match="did you mean `fraud`"):
        registry.version("frand", "1")
    with pytest.raises(UnknownVersion, match="no model `other`; it has fraud"):
        registry.known("other")


@pytest.fixture
def gone(url, registry, manifest, folder) -> Registry:
    """A registry that held versions, and is not there now: unmounted, deleted or misspelt."""
    if url.startswith("s3://"):
        return Registry("s3://no-such-bucket/models")
    registry.add(manifest(), folder)
    filesystem, root = fsspec.core.url_to_fs(url)
    filesystem.mv(root, f"{root}-elsewhere", recursive=True)
    return registry


def test_a_registry_that_is_gone_is_unavailable_and_none_of_its_versions_unknown(gone, tmp_path):
    asked = (
        gone.models,
        lambda: gone.known("fraud"),
        lambda: gone.version("fraud", "1"),
        lambda: gone.resolve("fraud", "champion"),
        lambda: gone.fetch("fraud", "1", tmp_path / "cache"),
        lambda: gone.point("fraud", "champion", "1", "ana"),
    )
    for ask in asked:
        with pytest.raises(RegistryUnavailable, match=r"there is no .* correct the "):
            ask()


def test_a_registry_that_goes_while_it_is_read_is_unavailable(manifest, folder, tmp_path):
    registry, given = Registry(tmp_path / "registry"), manifest()
    registry.add(given, folder)
    (tmp_path / "registry").rename(tmp_path / "unmounted")
    with pytest.raises(RegistryUnavailable, match="there is no such folder"):
        fetch_version(registry._storage, registry._files(given), given, tmp_path / "cache")


def test_an_empty_registry_is_there(tmp_path, s3, topic):
    (tmp_path / "registry").mkdir()
    for url in (tmp_path / "registry", f"s3://{s3.bucket}/{topic('empty')}/models"):
        assert Registry(url).models() == ()
        with pytest.raises(UnknownVersion, match="no model `fraud`; it has none"):
            Registry(url).version("fraud", "1")


def test_aliases_move_and_remember(registry, manifest, folder):
    registry.add(manifest("1"), folder)
    registry.add(manifest("2"), folder)
    registry.point("fraud", "champion", "1", "ana")
    registry.point("fraud", "champion", "2", "bob")
    again = registry.point("fraud", "champion", "2", "eve")
    assert [(move.who, move.source, move.target) for move in again.history] == [("ana", None, "1"), ("bob", "1", "2")]
    assert again.history[0].when == "2013-01-01T05:00:00Z"
    assert [registry.resolve("fraud", name) for name in ("champion", "@champion", "1")] == ["2", "2", "1"]
    assert registry.aliases("fraud") == (again,)


def test_an_alias_moves_on_a_condition_that_is_asked_once_it_is_there(registry, manifest, folder):
    for version in ("1", "2", "3"):
        registry.add(manifest(version), folder)
    assert registry.alias("fraud", "champion") is None
    assert registry.point("fraud", "champion", "1", "ana", lambda now: False).version == "1"
    assert registry.point("fraud", "champion", "2", "ana", lambda now: now.version == "1").version == "2"
    kept = registry.point("fraud", "champion", "3", "ana", lambda now: now.version == "1")
    assert (kept.version, len(kept.history)) == ("2", 2)
    assert registry.alias("fraud", "champion") == kept


def test_what_is_not_permitted_is_another_error_than_what_is_away(url):
    storage = open_storage(url)
    for error in (PermissionError(errno.EACCES, "Permission denied"), OSError(errno.EROFS, "Read-only file system")):
        with pytest.raises(RegistryUnavailable) as raised, storage._told("fraud"):
            raise error
        forbidden = isinstance(error, PermissionError) or "://" not in url
        assert isinstance(raised.value, RegistryForbidden) is forbidden
    with pytest.raises(RegistryUnavailable) as raised, storage._told("fraud"):
        raise OSError(errno.EIO, "Input/output error")
    assert not isinstance(raised.value, RegistryForbidden)


def test_a_folder_says_whether_it_may_be_written_and_an_object_store_does_not(url, registry):
    assert registry.writable("fraud") is (None if "://" in url else True)


def test_an_alias_and_a_version_never_share_a_name(registry, manifest, folder):
    registry.add(manifest("1"), folder)
    registry.add(manifest("2"), folder)
    with pytest.raises(RegistryError, match="`1` is a version"):
        registry.point("fraud", "1", "2", "ana")
    registry.point("fraud", "champion", "1", "ana")
    with pytest.raises(VersionTaken, match="`champion` is an alias"):
        registry.add(manifest("champion"), folder)


def test_an_alias_to_nothing_is_refused_and_stays(registry, manifest, folder):
    registry.add(manifest("1"), folder)
    registry.point("fraud", "champion", "1", "ana")
    with pytest.raises(UnknownVersion):
        registry.point("fraud", "champion", "9", "ana")
    assert registry.resolve("fraud", "champion") == "1"


@pytest.mark.parametrize("name", BAD_NAMES)
def test_names_that_could_lead_out_are_refused(registry, manifest, folder, name):
    registry.add(manifest("1"), folder)
    for use in (
        lambda: registry.version(name, "1"),
        lambda: registry.version("fraud", name),
        lambda: registry.resolve("fraud", "@" + name),
        lambda: registry.point("fraud", name, "1", "ana"),
        lambda: registry.add(manifest(model=name), folder),
        lambda: registry.add(manifest(version=name), folder),
        lambda: registry.add(manifest("2", parent=name), folder),
    ):
        with pytest.raises(RegistryError, match="cannot name a"):
            use()


@pytest.mark.parametrize("path", ["../x", "/etc/passwd", "a/../../x", "a\\b", "", "a//b", "C:x", ".hidden", "./x"])
def test_manifests_with_files_elsewhere_are_refused(url, registry, manifest, folder, tmp_path, path):
    given = manifest()
    with pytest.raises(RegistryError, match="cannot name a file"):
        registry.add(replace(given, artefact=path, files=(replace(given.files[0], path=path),)), folder)
    registry.add(given, folder)
    edit(url, lambda content: content.replace('"model.onnx"', json.dumps(path)))
    with pytest.raises(IntegrityError, match="cannot name a file"):
        registry.fetch("fraud", "1", tmp_path / "cache")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"fraud"', '"other"', "is the manifest of other 1"),
        ('"version": "1"', '"version": "2"', "is the manifest of fraud 2"),
        ('"format": 1', '"format": 9', "newer than this streamapp"),
        ("{", "", "damaged"),
        ('"artefact": "model.onnx"', '"artefact": "other"', "not among its files"),
        ('"bytes": 7', '"bytes": -7', "negative size"),
        ('"bytes": 7', '"bytes": "7"', "damaged"),
    ],
)
def test_damaged_manifests_are_refused(url, registry, manifest, folder, old, new, said):
    registry.add(manifest(), folder)
    edit(url, lambda content: content.replace(old, new, 1))
    with pytest.raises(IntegrityError, match=said):
        registry.version("fraud", "1")


def test_an_alias_file_that_was_tampered_with_is_refused(url, registry, manifest, folder):
    registry.add(manifest("1"), folder)
    registry.add(manifest("2"), folder)
    registry.point("fraud", "champion", "1", "ana")
    for old, new in (('"version": "1"', '"version": "2"'), ('"version": "2"', '"version": "../2"')):
        edit(url, lambda content, old=old, new=new: content.replace(old, new), "_aliases/champion.json")
        with pytest.raises(RegistryError):
            registry.resolve("fraud", "champion")


def edit(url: str, change, path: str = "1/manifest.json") -> None:
    """As somebody who can write to the store would."""
    files, root = fsspec.core.url_to_fs(url)
    where = f"{root}/fraud/{path}"
    before = files.cat_file(where).decode()
    assert change(before) != before
    files.pipe_file(where, change(before).encode())


@pytest.mark.parametrize("url", ["", " ", "simplecache::s3://b/x", "nope://b/x"])
def test_urls_that_cannot_be_a_registry(url):
    with pytest.raises(ConfigError):
        Registry(url)


def test_credentials_in_the_url_are_never_shown():
    url = "nope://key:hunter2@bucket/models?token=t0p"
    with pytest.raises(ConfigError) as raised:
        Registry(url)
    assert "nope://bucket/models" in str(raised.value)
    assert "hunter2" not in str(raised.value)
    assert "t0p" not in str(raised.value)
    assert raised.value.__cause__ is None
    assert Registry("memory://key:hunter2@bucket/models").url == "memory://bucket/models"


class Throttled(MemoryFileSystem):
    """Answers what is asked about files only where `answers` is set."""

    protocol = "throttled"
    answers = True

    def info(self, path, **options):
        if not self.answers:
            raise OSError(503, "slow down")
        return super().info(path, **options)


def test_a_store_that_does_not_answer_is_not_one_without_the_file(manifest, folder, monkeypatch):
    fsspec.register_implementation("throttled", Throttled, clobber=True)
    registry = Registry("throttled://bucket/models")
    for version in "123":
        registry.add(manifest(version=version), folder)
    for version in "12":
        registry.point("fraud", "champion", version, "ann")
    monkeypatch.setattr(Throttled, "answers", False)
    for attempt in (lambda: registry.resolve("fraud", "2"), lambda: registry.point("fraud", "champion", "3", "bob")):
        with pytest.raises(RegistryUnavailable, match="slow down"):
            attempt()
    storage = open_storage("throttled://bucket/models")
    with pytest.raises(RegistryUnavailable, match="slow down"):
        storage.create("fraud/_aliases/champion.json", b"{}")
    storage.change("fraud/_aliases/champion.json", lambda before: None if before else b"{}")
    monkeypatch.setattr(Throttled, "answers", True)
    assert [move.target for move in registry.alias("fraud", "champion").history] == ["1", "2"]
