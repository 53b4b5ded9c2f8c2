"""Several worker processes as one: they start together, stop together, and none is restarted.

A supervisor that restarts would hide the cause; whatever runs this process (systemd, Kubernetes, a person) decides.
"""

import asyncio
import logging
import signal
import subprocess
from asyncio.subprocess import Process
from collections.abc import Sequence

_log = logging.getLogger(__name__)

_GUARD = 'read -r line || kill -TERM "$@" 2>/dev/null'
"""Waits on a pipe that the supervisor holds: a line is an orderly end, end of file means that it was killed."""

_HELD = 'read -r line && exec "$@" </dev/null'
"""Becomes the worker once it is told to: a supervisor killed before the guard watches leaves no worker behind."""

_ASKED = (0, -signal.SIGTERM, -signal.SIGINT)
"""Exit statuses of a worker that was told to stop; the signals cover one that was still starting."""


def supervise(commands: Sequence[Sequence[str]], *, stop_within_s: float) -> int:
    """Run one process per command until all have ended; the exit status for the whole.

    1. Each process gets a session of its own, so that Ctrl-C reaches the supervisor alone.
    2. SIGTERM or SIGINT is passed on as SIGTERM, and so is a second one, which ends workers at once; 0 is returned if
       every process then ended as told.
    3. A process that fails by itself stops the others; its exit status is returned, 128 + n for signal n.
    4. A process that has not ended `stop_within_s` seconds after it was told to is killed, and counts as failed.
    5. If the supervisor itself is killed, the processes get SIGTERM.
    """
    return asyncio.run(_supervise(commands, stop_within_s))


async def _supervise(commands: Sequence[Sequence[str]], stop_within_s: float) -> int:
    loop, told = asyncio.get_running_loop(), asyncio.Event()
    processes: list[Process] = []

    def tell() -> None:
        for process in processes if told.is_set() else ():
            if process.returncode is None:
                process.terminate()
        told.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, tell)
    processes += [await _hold(command) for command in commands]
    guard = _guard(processes)
    try:
        for process in processes:
            _release(process)
        failed = await _first_failure(processes, told)
        left = await _stop(processes, stop_within_s)
    finally:
        guard.communicate(b"done\n")
    if failed is not None:
        return _status(failed)
    badly = [process for process in processes if process.returncode not in _ASKED]
    return 1 if left else _status(badly[0]) if badly else 0


async def _hold(command: Sequence[str]) -> Process:
    held = ("/bin/sh", "-c", _HELD, "worker", *command)
    return await asyncio.create_subprocess_exec(*held, stdin=subprocess.PIPE, start_new_session=True)


def _release(process: Process) -> None:
    assert process.stdin is not None
    process.stdin.write(b"go\n")
    process.stdin.close()


def _guard(processes: Sequence[Process]) -> "subprocess.Popen[bytes]":
    pids = [str(process.pid) for process in processes]
    return subprocess.Popen(["/bin/sh", "-c", _GUARD, "guard", *pids], stdin=subprocess.PIPE, start_new_session=True)


async def _first_failure(processes: Sequence[Process], told: asyncio.Event) -> Process | None:
    """The first process that fails by itself; None once all have ended well or the supervisor is told to stop."""
    asked = asyncio.ensure_future(told.wait())
    ends = {asyncio.ensure_future(process.wait()): i for i, process in enumerate(processes)}
    try:
        while ends:
            await asyncio.wait({*ends, asked}, return_when=asyncio.FIRST_COMPLETED)
            if asked.done():
                _log.info("stopping %d workers", len(ends))
                return None
            for end in [each for each in ends if each.done()]:
                index = ends.pop(end)
                if end.result() != 0:
                    _log.error("worker %d %s; stopping the others", index, _how(processes[index]))
                    return processes[index]
        return None
    finally:
        for task in (*ends, asked):
            task.cancel()


async def _stop(processes: Sequence[Process], within_s: float) -> int:
    """Tell those that still run to end; how many had to be killed."""
    running = [(i, process) for i, process in enumerate(processes) if process.returncode is None]
    for _, process in running:
        process.terminate()
    if running:
        await asyncio.wait([asyncio.create_task(process.wait()) for _, process in running], timeout=within_s)
    late = [(i, process) for i, process in running if process.returncode is None]
    for i, process in late:
        _log.error("worker %d did not stop within %g s; killing it", i, within_s)
        process.kill()
        await process.wait()
    return len(late)


def _status(process: Process) -> int:
    code = process.returncode or 0
    return 128 - code if code < 0 else code


def _how(process: Process) -> str:
    code = process.returncode or 0
    return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with status {code}"
