"""A worker as a process: signals in, exit code out."""

import asyncio
import gc
import logging
import os
import signal
import threading
from collections.abc import Callable, Sequence
from typing import Protocol

from streamapp.config.settings import PipelineSettings
from streamapp.errors import StreamappError
from streamapp.kafka.watch import Watch
from streamapp.kafka.worker import LEAVE_S, Worker
from streamapp.protocols import Observer, Outbox, OutcomeHandler, ScoringPath, StageTimer

log = logging.getLogger(__name__)


class Companion(Protocol):
    """What works beside a worker, in its loop: control."""

    async def join(self) -> None:
        """Get ready; the worker takes no events before. Raises what makes a start impossible."""
        ...

    async def run(self) -> None:
        """Work until cancelled. What it raises stops the worker."""
        ...

    async def leave(self) -> None:
        """The worker has ended."""
        ...


STOPPED = 0
FAILED = 1

COLLECT_EVERY = 50_000
"""Containers made between two runs of the cycle collector. A batch makes thousands and frees them without its help;
at Python's 700 it took a quarter of the worker's time."""


def run_worker(
    settings: PipelineSettings,
    path: ScoringPath,
    *,
    observers: Sequence[Observer] = (),
    outcomes: OutcomeHandler | None = None,
    outbox: Outbox | None = None,
    timer: StageTimer | None = None,
    on_start: Callable[[Worker, Watch], None] | None = None,
    beside: Callable[[Worker], Companion | None] = lambda worker: None,
) -> int:
    """Run a worker in this process until SIGTERM, SIGINT or a failure, and return the process's exit code.

    The first signal finishes what is in flight; `worker.drain_s` and `LEAVE_S` later the process has ended, also where
    a broker that is gone keeps the worker. The second signal ends it at once. Neither loses anything, as nothing is
    acknowledged before it is durable. A worker that makes no progress within `worker.progress_timeout_s`
    ends the process with status 3 (`streamapp.kafka.watch`). `on_start` gets the worker, for its `stats()`, and its
    watch, for its `health()`. `beside` may give the worker a companion.
    """
    gc.freeze()
    gc.set_threshold(COLLECT_EVERY, 20, 50)

    async def main() -> None:
        worker = Worker(settings, path, observers=observers, outcomes=outcomes, outbox=outbox, timer=timer)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, _Stop(worker, number, settings.worker.drain_s + LEAVE_S))
        watch = Watch(worker, loop, settings.worker.progress_timeout_s)
        if on_start is not None:
            on_start(worker, watch)
        watch.start()
        try:
            companion = beside(worker)
            await (worker.run() if companion is None else _together(worker, companion))
        finally:
            watch.close()

    try:
        asyncio.run(main())
    except StreamappError as error:
        log.error("stopped without acknowledging: %s [%s]", error, error.code)
        log.debug("where it stopped", exc_info=error)
        return FAILED
    except Exception as error:  # said loudly; nothing was acknowledged
        log.critical("stopped without acknowledging, by an unexpected error: %r", error, exc_info=error)
        return FAILED
    return STOPPED


async def _together(worker: Worker, companion: Companion) -> None:
    """Run both; the worker ends well when it is told to, and with the companion's error when that fails."""
    joining = asyncio.ensure_future(companion.join())
    told = asyncio.ensure_future(worker.told_to_stop())
    tasks = [joining, told]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        if not joining.done():
            return
        joining.result()
        beside, work = asyncio.ensure_future(companion.run()), asyncio.ensure_future(worker.run())
        tasks += [beside, work]
        await asyncio.wait({beside, work}, return_when=asyncio.FIRST_COMPLETED)
        worker.stop()
        await work
        if beside.done():
            beside.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await companion.leave()


class _Stop:
    """What a signal does: first ask, then end the process; also by itself after `limit_s`."""

    def __init__(self, worker: Worker, number: signal.Signals, limit_s: float) -> None:
        self._worker = worker
        self._number = number
        self._limit_s = limit_s

    def __call__(self) -> None:
        if self._worker.stopping:
            os._exit(128 + self._number)
        self._worker.stop()
        # To the very end of the process: the threads that a consumer leaves behind are waited for by the interpreter.
        limit = threading.Timer(self._limit_s, _end, [self._limit_s])
        limit.daemon = True
        limit.start()


def _end(limit_s: float) -> None:
    log.warning("not stopped in order within %.1f s; what was not committed is done again", limit_s)
    os._exit(STOPPED)
