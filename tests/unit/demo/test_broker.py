import os
import signal
import socket
import subprocess
import time

import pytest

from streamapp.demo.broker import EmbeddedBroker
from streamapp.demo.child import ChildProcess, python
from streamapp.errors import BrokerUnavailable

_PARENT = """
import sys
from streamapp.demo.child import ChildProcess
child = ChildProcess(["sleep", "600"])
print(child.pid, flush=True)
sys.stdin.read()
"""


def _gone(pid: int, *, within_s: float) -> bool:
    """Whether `pid` ends within the limit; a zombie that waits for its adoptive parent counts as ended."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True).stdout.strip()
        if state in ("", "Z", "Zs"):
            return True
    return False


def test_broker_answers_and_is_gone_after_the_block() -> None:
    with EmbeddedBroker() as broker:
        host, port = broker.bootstrap_servers.split(":")
        pid = broker.pid
        with socket.create_connection((host, int(port)), timeout=5):
            pass
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_two_brokers_do_not_collide() -> None:
    with EmbeddedBroker() as one, EmbeddedBroker() as two:
        assert one.bootstrap_servers != two.bootstrap_servers


def test_a_broker_that_does_not_answer_in_time_is_an_error_and_leaves_no_process() -> None:
    broker = EmbeddedBroker(start_s=0.0)
    with pytest.raises(BrokerUnavailable):
        broker.start()
    with pytest.raises(BrokerUnavailable):
        _ = broker.pid


def test_a_child_is_killed_when_its_parent_is_killed() -> None:
    parent = subprocess.Popen(python("-c", _PARENT), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert parent.stdout is not None
    assert parent.stdin is not None
    child = int(parent.stdout.readline())
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    parent.stdin.close()
    assert _gone(child, within_s=10)


def test_stopping_twice_gives_the_same_status() -> None:
    child = ChildProcess(["sleep", "600"])
    assert child.exit_status is None
    assert child.stop() == -signal.SIGTERM
    assert child.stop() == -signal.SIGTERM


def test_a_child_that_ignores_the_request_is_killed() -> None:
    child = ChildProcess(["/bin/sh", "-c", "trap '' TERM; while :; do sleep 0.01; done"])
    child.wait(0.3)
    assert child.stop(grace_s=0.2) == -signal.SIGKILL
