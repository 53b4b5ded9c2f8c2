"""Work beside what runs."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")


def in_thread(work: Callable[[], T]) -> "Future[T]":
    """What `work` returns or raises, from a thread of its own; `asyncio.wrap_future` awaits it.

    The thread is a daemon: a registry or a model that hangs must not keep a process that is told to stop. Whoever stops
    does not wait for the future; closing the builder sees to it that what is loaded afterwards is closed again. A pool
    of threads would be waited for by the interpreter.
    """
    future: Future[T] = Future()
    future.set_running_or_notify_cancel()  # work that has begun cannot be taken back

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:  # noqa: BLE001 - handed to whoever waits
            future.set_exception(error)

    threading.Thread(target=run, name="streamapp-serving", daemon=True).start()
    return future
