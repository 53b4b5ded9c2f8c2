import logging
import threading

import pytest

from streamapp.enrich.refresh import RegistryRefresher
from streamapp.errors import ConfigError, FeatureStoreUnavailable


def test_refreshes_in_the_background_until_closed():
    twice, calls = threading.Event(), []

    def refresh():
        calls.append(threading.current_thread().name)
        if len(calls) == 2:
            twice.set()

    refresher = RegistryRefresher(refresh, 0.001)
    assert twice.wait(10)
    refresher.close()
    after = len(calls)
    assert not refresher._thread.is_alive()
    assert len(calls) == after
    assert set(calls) == {"streamapp-registry"}


@pytest.mark.parametrize("error", [ConfigError("service changed"), FeatureStoreUnavailable("registry away")])
def test_problems_are_counted_and_logged_once_per_wording(error, caplog):
    problems = [error, error, None, error]

    def refresh():
        problem = problems.pop(0)
        if problem is not None:
            raise problem

    refresher = RegistryRefresher(refresh, 3600)
    with caplog.at_level(logging.WARNING):
        for _ in range(4):
            refresher.refresh_once()
    refresher.close()
    assert refresher.failures == 3
    assert [record.getMessage() for record in caplog.records] == [f"registry refresh: {error}"] * 2
