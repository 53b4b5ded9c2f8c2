"""What happens around the registry while the enricher runs."""

import shutil
import sys
import warnings
from datetime import datetime, timezone

import pytest

from streamapp.enrich import build_enricher
from streamapp.errors import ConfigError, FeatureStoreUnavailable


@pytest.fixture
def copied(repository, tmp_path):
    """A repository of its own registry over the session's online store."""
    shutil.copy(repository.path / "data" / "registry.db", tmp_path / "registry.db")
    (tmp_path / "feature_store.yaml").write_text(
        "project: flights\nprovider: local\nregistry: registry.db\n"
        f"online_store: {{type: sqlite, path: {repository.path / 'data' / 'online.db'}}}\n"
        "entity_key_serialization_version: 3\n"
    )
    at = datetime(2026, 3, 1, tzinfo=timezone.utc)
    repository.push("plane", at, plane_id=[900], seats=[90], year=[1990])
    return tmp_path


@pytest.fixture
def reader(copied, feast):
    from streamapp.enrich.feast import FeastReader, describe_services, open_store

    store = open_store(copied)
    reader = FeastReader(store, describe_services(store, ["reordered"]))
    yield reader
    reader.close()


def seats(reader):
    return reader.read("plane", ["seats"], [900]).values.tolist()


def test_reading_needs_no_registry(reader, copied):
    (copied / "registry.db").unlink()
    assert seats(reader) == [[90.0]]


def test_a_registry_that_is_away_is_an_outage_and_reads_go_on(reader, copied):
    (copied / "registry.db").unlink()
    with pytest.raises(FeatureStoreUnavailable, match="Feast registry does not answer"):
        reader.refresh()
    assert seats(reader) == [[90.0]]


def test_an_unchanged_service_is_refreshed_silently(reader):
    reader.refresh()
    assert seats(reader) == [[90.0]]


def test_a_changed_service_is_reported_and_reads_go_on(reader, copied, feast):
    store = feast.FeatureStore(repo_path=str(copied))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        plane = store.get_feature_view("plane")
        store.apply([feast.FeatureService(name="reordered", features=[plane[["seats"]]])])
    store.provider.online_store._conn.close()
    with pytest.raises(ConfigError, match="feature service reordered changed"):
        reader.refresh()
    assert seats(reader) == [[90.0]]


def test_a_deleted_service_is_reported_and_reads_go_on(reader, copied, feast):
    feast.FeatureStore(repo_path=str(copied)).delete_feature_service("reordered")
    with pytest.raises(ConfigError, match="no feature service 'reordered'"):
        reader.refresh()
    assert seats(reader) == [[90.0]]


def test_nothing_calls_out(copied, make_settings, make_event, make_variant, make_events, all_rows, clock):
    """Feast must not phone home; an audit hook sees every connection and name look-up of the process."""
    seen, watching = [], [True]

    def hook(event, arguments):
        if watching and event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname"):
            seen.append((event, arguments))

    sys.addaudithook(hook)
    variants = {"v": make_variant("reordered")}
    event = make_event(origin="string", plane_id="int64")
    enricher = build_enricher(make_settings(), event, variants, copied, clock)
    (block,) = enricher.enrich(make_events({"origin": ["?"], "plane_id": [900]}), all_rows(1))
    enricher.close()
    watching.clear()
    assert block.values[0, 0] == 1990.0
    assert seen == []
