"""A process that is told to stop while it still starts."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

TOLD = (signal.SIGTERM, signal.SIGINT)
ENDED = 0


@contextmanager
def ending_when_told() -> Iterator[None]:
    """Within, SIGTERM and SIGINT end this process at once with status 0, until `run_worker` takes the signals over.

    Nothing was taken yet that would have to be finished. A thread waits for the signal, as Python runs a handler only
    once the main thread comes back, be it from loading a model; and without a handler a signal does not reach the first
    process of a container at all. Main thread only.
    """
    read, write = os.pipe()
    os.set_blocking(write, False)
    before = [(number, signal.signal(number, _noted)) for number in TOLD]
    descriptor = signal.set_wakeup_fd(write, warn_on_full_buffer=False)
    threading.Thread(target=_end, args=(read,), name="starting", daemon=True).start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(descriptor)
        for number, handler in before:
            signal.signal(number, handler)
        os.close(write)


def _noted(number: int, frame: FrameType | None) -> None:
    """The thread does the work; a handler makes Python tell it."""


def _end(read: int) -> None:
    while told := os.read(read, 1):
        if told[0] in TOLD:
            os._exit(ENDED)
    os.close(read)
