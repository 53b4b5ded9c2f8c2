"""Beside the hot path: one thread that shows scored batches to the observers and outcomes to their handler."""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence

from streamapp.errors import Disposition, StreamappError
from streamapp.protocols import Observer, Outbox, OutcomeHandler
from streamapp.types import OutgoingBatch, RecordBatch, ScoredBatch

log = logging.getLogger(__name__)

RETRY_S = 1.0
Done = Callable[[BaseException | None], None]


class ObservingRoom:
    """Takes scored batches and outcomes from the event loop and works them off in arrival order.

    Scored batches beyond `most_waiting` are dropped and counted; outcomes are never dropped, their number is
    bounded by whoever fetches them. `send` is called in the room's thread with what the outbox holds.
    """

    def __init__(
        self,
        observers: Sequence[Observer],
        outcomes: OutcomeHandler | None,
        outbox: Outbox | None,
        send: Callable[[Sequence[OutgoingBatch]], None],
        most_waiting: int,
    ) -> None:
        self._observers = tuple(observers)
        self._outcomes = outcomes
        self._outbox = outbox
        self._send = send
        self._most_waiting = most_waiting
        self._work: deque[ScoredBatch | tuple[RecordBatch, Done]] = deque()
        self._scored_waiting = 0
        self._changed = threading.Condition()
        self._closing = False
        self.dropped_batches = 0
        self.failed_batches = 0
        self.retries = 0
        self._thread = threading.Thread(target=self._run, name="observe", daemon=True)
        self._thread.start()

    def show(self, scored: ScoredBatch) -> None:
        """Let the observers see a batch, unless too many are waiting."""
        if not self._observers:
            return
        with self._changed:
            if self._scored_waiting >= self._most_waiting:
                self.dropped_batches += 1
                return
            self._scored_waiting += 1
            self._work.append(scored)
            self._changed.notify()

    def join(self, records: RecordBatch, done: Done) -> None:
        """Hand outcomes over; `done` is called in the room's thread, with the error if there was one."""
        with self._changed:
            self._work.append((records, done))
            self._changed.notify()

    def close(self, wait_s: float) -> None:
        """Work off what waits, for at most `wait_s` seconds."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join(wait_s)

    def _run(self) -> None:
        while (item := self._next()) is not None:
            if isinstance(item, ScoredBatch):
                self._observe(item)
            else:
                records, done = item
                done(self._join(records))
            self._empty_outbox()

    def _next(self) -> ScoredBatch | tuple[RecordBatch, Done] | None:
        with self._changed:
            while not self._work:
                if self._closing:
                    return None
                self._changed.wait()
            item = self._work.popleft()
            if isinstance(item, ScoredBatch):
                self._scored_waiting -= 1
            return item

    def _observe(self, scored: ScoredBatch) -> None:
        for observer in self._observers:
            self._show_to(observer, scored)

    def _show_to(self, observer: Observer, scored: ScoredBatch) -> None:
        try:
            observer.observe(scored)
        except Exception:  # observing never fails a batch; counted and logged
            self.failed_batches += 1
            log.exception("an observer failed on a batch of %d rows", len(scored))

    def _join(self, records: RecordBatch) -> BaseException | None:
        """Why the outcomes could not be joined; None if they were. Waits for a dependency that is down."""
        if self._outcomes is None:
            return None
        while (error := _attempt(self._outcomes, records)) is not None:
            if not isinstance(error, StreamappError) or error.disposition is not Disposition.RETRY or self._closing:
                return error
            self.retries += 1
            log.warning("outcomes wait for a dependency: %s", error)
            time.sleep(RETRY_S)
        return None

    def _empty_outbox(self) -> None:
        if self._outbox is None:
            return
        try:
            batches = self._outbox.drain()
        except Exception:  # as with observers
            self.failed_batches += 1
            log.exception("the outbox failed")
            return
        if batches:
            self._send(batches)


def _attempt(handler: OutcomeHandler, records: RecordBatch) -> BaseException | None:
    try:
        handler.join(records)
    except Exception as error:  # noqa: BLE001 - handed to the worker, which stops
        return error
    return None
