import threading

import pytest

from streamapp.enrich.deadline import DeadlineThread
from streamapp.errors import FeatureStoreUnavailable


@pytest.fixture
def reads():
    thread = DeadlineThread("reads", 0.05)
    yield thread
    thread.close()


def test_results_and_errors_pass_through(reads):
    assert reads.call(lambda: 7) == 7
    with pytest.raises(ZeroDivisionError):
        reads.call(lambda: 1 // 0)
    assert reads.call(lambda: 8) == 8


def test_a_call_that_hangs_is_given_up_and_no_other_started_beside_it(reads):
    release, started = threading.Event(), []

    def hang():
        started.append("hang")
        release.wait()
        return "late"

    with pytest.raises(FeatureStoreUnavailable, match="within"):
        reads.call(hang)
    with pytest.raises(FeatureStoreUnavailable, match="still hangs"):
        reads.call(lambda: started.append("beside"))
    assert started == ["hang"]
    release.set()
    assert reads.call(lambda: "fresh") == "fresh"


def test_close_ends_the_thread():
    thread = DeadlineThread("reads", 5.0)
    thread.close()
    assert not thread._thread.is_alive()


def test_close_leaves_a_hanging_call_behind():
    thread, release = DeadlineThread("reads", 0.05), threading.Event()
    with pytest.raises(FeatureStoreUnavailable):
        thread.call(release.wait)
    thread.close()
    assert thread._thread.daemon
    release.set()
    thread._thread.join()
