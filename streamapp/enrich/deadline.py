"""Calls that must end: one thread, one call at a time, a limit on how long the caller waits."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from queue import SimpleQueue
from typing import Generic, TypeVar

from streamapp.errors import FeatureStoreUnavailable

T = TypeVar("T")


class DeadlineThread(Generic[T]):
    """Runs calls in a thread of its own, so that one that hangs holds up its caller for `timeout_s` at most.

    While a call hangs no further one is started: each attempt waits for it, and its late answer is dropped.
    The thread is a daemon because a call that never returns must not keep the process alive.
    """

    def __init__(self, name: str, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._calls: SimpleQueue[tuple[Future[T], Callable[[], T]] | None] = SimpleQueue()
        self._hanging: Future[T] | None = None
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def call(self, function: Callable[[], T]) -> T:
        """What `function` returns or raises. Raises `FeatureStoreUnavailable` after `timeout_s`."""
        if self._hanging is not None and not self._finishes(self._hanging):
            raise FeatureStoreUnavailable("an earlier read of the online store still hangs")
        future: Future[T] = Future()
        self._calls.put((future, function))
        if not self._finishes(future):
            raise FeatureStoreUnavailable(f"the online store did not answer within {self._timeout_s:g} s")
        return future.result()

    def close(self) -> None:
        """End the thread; one whose call hangs is left behind."""
        self._calls.put(None)
        self._thread.join(self._timeout_s)

    def _finishes(self, future: Future[T]) -> bool:
        done = bool(wait([future], self._timeout_s).done)
        self._hanging = None if done else future
        return done

    def _run(self) -> None:
        while (item := self._calls.get()) is not None:
            future, function = item
            try:
                future.set_result(function())
            except BaseException as error:  # noqa: BLE001 - handed to the caller, who raises it
                future.set_exception(error)
