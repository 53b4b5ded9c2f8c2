"""An object store behind a network that breaks."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from streamapp.errors import RegistryUnavailable
from streamapp.models import Registry
from tests.faults.proxy import Faults, Proxy, Way
from tests.object_store import S3Server, environment

NOBODY = 1
"""A port that refuses connections."""
LARGE_BYTES = 4 << 20
MULTIPART_BYTES = 51 << 20
"""More than s3fs uploads in one request."""


@pytest.fixture
def proxy(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """The way to the store, for whoever opens a registry from now on."""
    from s3fs import S3FileSystem

    with Proxy() as found:
        found.connect_to(s3.port)
        for name, value in environment(found.port).items():
            monkeypatch.setenv(name, value)
        # s3fs keeps what it has opened by its arguments, of which the environment is none.
        S3FileSystem.clear_instance_cache()
        yield found
        S3FileSystem.clear_instance_cache()


@pytest.fixture
def far(proxy: Proxy, topic) -> Registry:
    return Registry(f"s3://{S3Server.bucket}/{topic('far')}/models")


@contextmanager
def cut_off(proxy: Proxy, way: Way) -> Iterator[None]:
    """The store goes once a quarter of a large file has passed."""
    enough, done = proxy.forwarded(way) + LARGE_BYTES // 4, threading.Event()
    proxy.apply(Faults(bits_per_s=LARGE_BYTES * 8))

    def cut() -> None:
        while proxy.forwarded(way) < enough and not done.wait(0.01):
            pass
        proxy.connect_to(NOBODY)
        proxy.reset()

    cutting = threading.Thread(target=cut)
    cutting.start()
    try:
        yield
    finally:
        done.set()
        cutting.join()
        proxy.heal()


def test_an_upload_that_is_torn_is_no_version_and_the_next_writer_finishes_it(far, proxy, s3, manifest, folder):
    given = manifest(content=os.urandom(LARGE_BYTES))
    with cut_off(proxy, "up"), pytest.raises(RegistryUnavailable, match=r"s3://.*/model\.onnx: "):
        far.add(given, folder)
    proxy.connect_to(s3.port)
    assert far.versions("fraud") == ()
    assert far.add(given, folder)
    assert far.verify("fraud", "1") == given


def test_a_connection_that_breaks_once_stops_nothing(far, proxy, manifest, folder):
    given = manifest(content=os.urandom(LARGE_BYTES))
    proxy.reset_within(8_000)
    assert far.add(given, folder)
    assert proxy.resets == 1
    assert far.verify("fraud", "1") == given


def test_a_store_that_goes_while_it_is_read_is_unavailable_and_leaves_nothing(
    far, proxy, s3, manifest, folder, tmp_path
):
    given = manifest(content=os.urandom(LARGE_BYTES))
    far.add(given, folder)
    with cut_off(proxy, "down"), pytest.raises(RegistryUnavailable, match=r"s3://.*/model\.onnx: "):
        far.fetch("fraud", "1", tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []
    proxy.connect_to(s3.port)
    assert len(far.fetch("fraud", "1", tmp_path / "cache").read_bytes()) == LARGE_BYTES


def test_a_file_in_several_parts_is_whole(far, manifest, folder):
    given = manifest(content=os.urandom(MULTIPART_BYTES))
    assert far.add(given, folder)
    assert far.verify("fraud", "1") == given
