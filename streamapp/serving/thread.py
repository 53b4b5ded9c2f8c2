"""Building beside what runs."""

import threading
from concurrent.futures import Future

from streamapp.protocols import Serving
from streamapp.serving.builder import ServingBuilder
from streamapp.types import ServingPlan


def build_in_thread(builder: ServingBuilder, plan: ServingPlan) -> "Future[Serving]":
    """What `builder.build(plan)` returns or raises, from a thread of its own; `asyncio.wrap_future` awaits it.

    The thread is a daemon: a registry or a model that hangs must not keep a process that is told to stop. Whoever stops
    does not wait for the future; closing the builder sees to it that what is loaded afterwards is closed again. A pool
    of threads would be waited for by the interpreter.
    """
    future: Future[Serving] = Future()
    future.set_running_or_notify_cancel()  # a build that has begun cannot be taken back

    def work() -> None:
        try:
            future.set_result(builder.build(plan))
        except BaseException as error:  # noqa: BLE001 - handed to whoever waits
            future.set_exception(error)

    threading.Thread(target=work, name="streamapp-serving", daemon=True).start()
    return future
