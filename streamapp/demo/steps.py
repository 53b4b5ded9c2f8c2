"""What the demo says while it prepares."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console


@contextmanager
def step(console: Console, what: str) -> Iterator[None]:
    """Show that `what` is being done, and at its end how long it took."""
    start_s = time.monotonic()
    with console.status(f"{what} …"):
        yield
    console.print(f"{what}: {time.monotonic() - start_s:.1f} s", highlight=False)
