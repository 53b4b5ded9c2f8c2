"""Real processes: `sh` as workers, and the supervisor in a process of its own where it takes signals."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from streamapp.supervisor import supervise

WAITING = "trap 'echo stopped; exit 0' TERM; echo ready $$; while :; do read -r _ <&3 || :; done"
SLOW = "trap 'trap \"exit 143\" TERM; echo stopping' TERM; echo ready $$; while :; do read -r _ <&3 || :; done"
DEAF = "trap '' TERM; echo ready $$; while :; do read -r _ <&3 || :; done"


def sh(script: str, pipe: Path | None = None) -> list[str]:
    """A worker; one that waits does so on an open pipe that nobody writes to."""
    return ["/bin/sh", "-c", f"exec 3<>{pipe}; {script}" if pipe else script]


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    return path


def test_all_ending_well_is_well():
    assert supervise([sh("exit 0"), sh("exit 0")], stop_within_s=10) == 0


def test_one_failure_stops_the_others_and_is_the_status(pipe, capfd, caplog):
    # The failing worker leads only once the other one is ready: its `ready` line goes through a second pipe.
    started = pipe.with_name("started")
    os.mkfifo(started)
    failing = f"read -r _ <{started}; exit 7"
    waiting = f"exec 3<>{pipe}; trap 'echo stopped; exit 0' TERM; echo go >{started}; while :; do read -r _ <&3; done"
    assert supervise([sh(waiting), sh(failing)], stop_within_s=10) == 7
    assert capfd.readouterr().out == "stopped\n"
    assert "worker 1 ended with status 7; stopping the others" in caplog.text


def test_a_killed_worker_is_named_and_counts_as_128_plus_the_signal(caplog):
    assert supervise([sh("kill -9 $$")], stop_within_s=10) == 137
    assert "worker 0 was killed by SIGKILL" in caplog.text


@pytest.fixture
def supervised(pipe: Path) -> Iterator["subprocess.Popen[str]"]:
    """A supervisor over two waiting workers, both ready."""
    yield from _supervised([sh(WAITING, pipe), sh(WAITING, pipe)], 10)


@pytest.fixture
def slow(pipe: Path) -> Iterator["subprocess.Popen[str]"]:
    """A supervisor over a worker that takes its time to stop, and ends with the second SIGTERM."""
    yield from _supervised([sh(SLOW, pipe)], 15)


@pytest.fixture
def deaf(pipe: Path) -> Iterator["subprocess.Popen[str]"]:
    """A supervisor over a worker that ignores SIGTERM."""
    yield from _supervised([sh(DEAF, pipe)], 0.2)


def test_a_supervisor_that_is_killed_while_it_starts_leaves_no_worker_behind():
    killed = "supervisor._guard = lambda processes: os.kill(os.getpid(), signal.SIGKILL)"
    call = f"supervisor.supervise({[sh('echo started')] * 2!r}, stop_within_s=10)"
    code = f"import os, signal; from streamapp import supervisor; {killed}; {call}"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=20)
    assert (ended.returncode, ended.stdout) == (-signal.SIGKILL, "")


def _supervised(commands: list[list[str]], stop_within_s: float) -> Iterator["subprocess.Popen[str]"]:
    call = f"supervise({commands!r}, stop_within_s={stop_within_s})"
    code = f"import sys; from streamapp.supervisor import supervise; sys.exit({call})"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as p:
        assert p.stdout is not None
        pids = [int(p.stdout.readline().split()[1]) for _ in commands]
        try:
            yield p
        finally:
            p.kill()
            for pid in pids:
                kill(pid)


def kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_is_passed_on_to_all(supervised, number):
    supervised.send_signal(number)
    assert supervised.communicate(timeout=20)[0] == "stopped\nstopped\n"
    assert supervised.returncode == 0


def test_a_second_signal_is_passed_on_too(slow):
    slow.send_signal(signal.SIGTERM)
    assert slow.stdout.readline() == "stopping\n"
    slow.send_signal(signal.SIGTERM)
    assert slow.wait(20) == 143


def test_a_worker_that_does_not_stop_is_killed(deaf):
    deaf.send_signal(signal.SIGTERM)
    assert "worker 0 did not stop within 0.2 s; killing it" in deaf.communicate(timeout=20)[1]
    assert deaf.returncode == 1


def test_the_workers_end_with_a_killed_supervisor(supervised):
    supervised.kill()
    # The workers hold the pipe's other end: it closes only once both are gone.
    assert supervised.communicate(timeout=20)[0] == "stopped\nstopped\n"
