"""Watches a worker from a thread of its own and ends the process where nothing goes on any more.

1. Once a second the thread asks the worker's loop for a reading. A loop that does not answer is itself stuck.
2. Half the limit without progress: a warning, `/readyz` says `stuck`, `streamapp_stuck_partitions` counts.
3. The whole limit: an error and the stack of every thread in the log, then `os._exit`: a thread that hangs in a model
   cannot be joined, and a blocked loop cannot be asked to stop. Nothing unanswered was acknowledged: it is done again.
4. A model that hangs without giving up Python's lock stops this thread as well; then the interpreter's own timer
   (`faulthandler`), which needs no lock, writes the stacks to stderr and ends the process.
"""

import asyncio
import faulthandler
import logging
import os
import sys
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from streamapp.clock import SystemClock
from streamapp.config.pace import LOOK_S
from streamapp.kafka.vitals import where
from streamapp.kafka.watchdog import Reading, Seen, Stall, Watchdog
from streamapp.protocols import Clock

log = logging.getLogger(__name__)

STUCK = 3
"""Exit status of a worker that made no progress."""
LOCK_GRACE_S = 15.0
"""How much later than the limit the interpreter's timer goes off, so that the thread comes first where it can."""
LAST_WORDS_S = 5.0
"""How long logging may take at the end: stderr may be a pipe that nobody reads."""
_STDERR = 2
_STEPS = {
    "fetch": "records wait on the broker and are not taken",
    "answer": "records are not answered",
    "commit": "answered records are not committed",
    "finish": "no micro-batch is finished",
}


class Watched(Protocol):
    """A worker, as its watch sees it."""

    def reading(self) -> Reading:
        """What is to be done now. In the worker's loop."""
        ...


@dataclass(frozen=True, slots=True)
class Health:
    """How a worker is. silent_s: since its loop last answered. stuck: what stands still for more than half the
    limit; `over` if for more than the whole. waiting: a dependency is down."""

    phase: str
    silent_s: float
    waiting: bool
    stuck: tuple[Stall, ...]
    over: bool
    partitions: int


class Watch:
    """Between `start` and `close` the worker is watched. limit_s: None watches, and ends nothing."""

    def __init__(
        self,
        worker: Watched,
        loop: asyncio.AbstractEventLoop,
        limit_s: float | None,
        *,
        clock: Clock | None = None,
        end: Callable[[int], object] = os._exit,
        every_s: float = LOOK_S,
    ) -> None:
        self._worker, self._loop, self._limit_s = worker, loop, limit_s or None
        self._clock = clock if clock is not None else SystemClock()
        self._end = end
        self._every_s = every_s
        self._dog = Watchdog()
        self._lock = threading.Lock()
        self._reading: Reading | None = None
        self._answered_s = self._clock.monotonic_s()
        self._silent_s = 0.0
        self._seen = Seen(False, ())
        self._latest = Reading("starting")
        self._warned = False
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def close(self) -> None:
        """Watch no longer."""
        self._closing.set()
        if self._thread.is_alive():
            self._thread.join()
        faulthandler.cancel_dump_traceback_later()

    def health(self) -> Health:
        """How the worker is. Any thread."""
        with self._lock:
            latest, seen, answered_s = self._latest, self._seen, self._answered_s
        silent_s = self._clock.monotonic_s() - answered_s
        stuck = self._older_than(seen, 0.5)
        over = bool(self._older_than(seen, 1.0)) or (self._limit_s is not None and self._silent_s >= self._limit_s)
        return Health(latest.phase, silent_s, seen.waiting, stuck, over, latest.partitions)

    def look(self) -> bool:
        """One look at what the loop last said; whether the process was told to end."""
        now_s = self._clock.monotonic_s()
        with self._lock:
            reading, self._reading = self._reading, None
        if reading is None:
            passed_s = self._dog.pass_time(now_s)
            # On its way out a worker blocks its loop while it waits, in bounded time, for the observers.
            self._silent_s += 0.0 if self._latest.phase == "draining" else passed_s
        else:
            self._silent_s = 0.0
            seen = self._dog.look(reading, now_s)
            with self._lock:
                self._latest, self._seen = reading, seen
        return self._judge()

    def ask(self) -> None:
        """Have the loop give a reading when it comes to it."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._answer)

    def _answer(self) -> None:
        reading = self._worker.reading()
        with self._lock:
            self._reading, self._answered_s = reading, self._clock.monotonic_s()

    def _run(self) -> None:
        while not self._closing.is_set():
            if self._limit_s is not None:
                faulthandler.dump_traceback_later(self._limit_s + LOCK_GRACE_S, exit=True, file=_STDERR)
            self.ask()
            if self._closing.wait(self._every_s) or self.look():
                return

    def _judge(self) -> bool:
        if self._limit_s is None:
            return False
        if self._silent_s >= self._limit_s:
            self._give_up(f"the event loop has not answered for {self._silent_s:.0f} s")
            return True
        over = self._older_than(self._seen, 1.0)
        if over:
            self._give_up("; ".join(map(_described, over)))
            return True
        suspects = self._older_than(self._seen, 0.5)
        if suspects and not self._warned:
            log.warning("no progress so far: %s", "; ".join(map(_described, suspects)))
        self._warned = bool(suspects)
        return False

    def _older_than(self, seen: Seen, share: float) -> tuple[Stall, ...]:
        limit_s = self._limit_s
        return () if limit_s is None else tuple(stall for stall in seen.stalls if stall.age_s >= share * limit_s)

    def _give_up(self, why: str) -> None:
        words = threading.Thread(target=self._last_words, args=(why,), name="last words", daemon=True)
        words.start()
        words.join(LAST_WORDS_S)
        self._end(STUCK)

    def _last_words(self, why: str) -> None:
        log.error(
            "no progress within worker.progress_timeout_s (%g s): %s; oldest batch in flight %.0f s. Ending with "
            "status %d, to be started again; nothing unanswered was acknowledged, it will be done again. If it comes "
            "back at the same offset, look at that record and at the threads below; if batches may take that long, "
            "raise worker.progress_timeout_s",
            self._limit_s,
            why,
            self._latest.oldest_in_flight_s,
            STUCK,
        )
        log.error("where the threads stand:\n%s", _stacks())
        for handler in logging.getLogger().handlers:
            handler.flush()


def _described(stall: Stall) -> str:
    step, partition = stall.work
    at = f" at offset {stall.at}" if partition is not None and stall.at >= 0 else ""
    return f"{where(partition)} stands{at} for {stall.age_s:.0f} s: {_STEPS[step]}"


def _stacks() -> str:
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    return "\n".join(
        f"thread {names.get(ident, ident)}:\n{''.join(traceback.format_stack(frame)[-12:])}"
        for ident, frame in sys._current_frames().items()
        if ident != threading.get_ident()
    )
