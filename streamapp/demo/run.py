"""The demo from the first step to the verdict."""

import asyncio
import signal
from contextlib import ExitStack

from rich.console import Console

from streamapp.demo.balance import balance
from streamapp.demo.child import ChildProcess, python
from streamapp.demo.follow import Cast, follow
from streamapp.demo.journal import read_journal
from streamapp.demo.options import DemoOptions
from streamapp.demo.pipeline import Addresses
from streamapp.demo.prepare import prepare
from streamapp.demo.rollout import SABOTAGED, WINNING, RolloutWatch
from streamapp.demo.screen import LiveScreen, PlainLines
from streamapp.demo.summary import show_summary, succeeded
from streamapp.demo.watch import Watch
from streamapp.demo.workplace import Workplace

INTERRUPTED = 130
_LOOK_S = 1.0


def run(options: DemoOptions) -> int:
    """Run the demo; 0 if it `succeeded`, 130 if interrupted, else 1.

    Raises `StreamappError` if it cannot start or a part of it fails. Whatever happens, the processes that it started
    are ended. Call it from the main thread: SIGTERM is taken like Ctrl-C.
    """
    console = Console()
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with ExitStack() as stack:
            return _run(options, console, stack)
    except KeyboardInterrupt:
        console.print("interrupted; everything that was started is stopped")
        return INTERRUPTED
    finally:
        signal.signal(signal.SIGTERM, before)


def _run(options: DemoOptions, console: Console, stack: ExitStack) -> int:
    place = Workplace(options.directory)
    addresses = prepare(options, place, console, stack)
    # The replay waits until the worker holds its partitions.
    worker = ChildProcess(python("-m", "streamapp", "run", str(place.pipeline)), log=place.worker_log)
    stack.enter_context(worker)
    replay = ChildProcess(python("-m", "streamapp.demo.replay", str(place.plan)), log=place.replay_log)
    stack.enter_context(replay)
    watch = Watch(addresses)
    rollout = RolloutWatch(place, SABOTAGED if options.rollback else WINNING, lambda: watch.tally.outcomes)
    screen = PlainLines(console) if options.plain or not console.is_terminal else LiveScreen(console)
    with screen as show:
        seconds = asyncio.run(follow(watch, rollout, Cast(worker, replay, place), show))
    if isinstance(screen, LiveScreen):  # whose lines are gone now
        for said in rollout.lines:
            console.print(f"rollout: {said}", highlight=False, markup=False, soft_wrap=True)
    result = balance(read_journal(place.journal), watch.tally.predictions, watch.tally.dead_letters)
    show_summary(console, result, watch.tally, rollout, seconds)
    if options.keep_running:
        _stay(console, addresses, place, worker)
    contested = rollout.plot is WINNING
    quality, same_days = watch.tally.quality(), watch.tally.quality_of_same_days()
    well = succeeded(result, quality, same_days, as_it_should=rollout.as_it_should, contested=contested)
    return 0 if well else 1


def _stay(console: Console, addresses: Addresses, place: Workplace, worker: ChildProcess) -> None:
    """Leave broker and worker up until Ctrl-C, or until the worker ends."""
    for name, value in (
        ("broker", addresses.bootstrap_servers),
        ("topics", " ".join(addresses.topics)),
        ("metrics", f"http://127.0.0.1:{addresses.metrics_port}/metrics"),
        ("pipeline", str(place.pipeline)),
        ("feature repository", str(place.repository)),
    ):
        console.print(f"{name}: {value}", highlight=False, markup=False, soft_wrap=True)
    console.print("still running; Ctrl-C ends it")
    try:
        while not worker.wait(_LOOK_S):
            pass
    except KeyboardInterrupt:
        console.print("stopping")
