"""Looking on while the worker and the replay run."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from streamapp.demo.child import ChildProcess
from streamapp.demo.figures import Figures, Gauge
from streamapp.demo.plan import ReplayProgress
from streamapp.demo.rollout import RolloutWatch
from streamapp.demo.watch import Watch
from streamapp.demo.workplace import Workplace, tail
from streamapp.errors import DependencyError

_LOOK_S = 0.25
_SETTLE_S = 30.0

Show = Callable[[Figures, float], None]


@dataclass(frozen=True, slots=True)
class Cast:
    """The processes on stage, and the folder with their logs."""

    worker: ChildProcess
    replay: ChildProcess
    place: Workplace


async def follow(watch: Watch, rollout: RolloutWatch, cast: Cast, show: Show) -> float:
    """Show the figures until all events were answered and all outcomes seen; seconds from the first event to the last.

    Once the replay is done, gives up waiting for the rest after `_SETTLE_S` without any. Raises `DependencyError` with
    the end of the log if a process fails.
    """
    gauge = Gauge()
    looking = [asyncio.ensure_future(watch.run()), asyncio.ensure_future(rollout.run())]
    first_s = last_s = settled_s = time.monotonic()
    seen = (0, 0)
    try:
        while True:
            await asyncio.sleep(_LOOK_S)
            _still_well(cast, looking)
            now_s = time.monotonic()
            progress = ReplayProgress.read(cast.place.progress)
            show(gauge.look(watch.tally, watch.metrics, progress, now_s, rollout.lines), now_s)
            counts = (watch.tally.answers, watch.tally.outcomes)
            if counts != seen:
                first_s = now_s if not seen[0] else first_s
                last_s = settled_s = now_s
                seen = counts
            done = progress is not None and progress.done
            if done and progress is not None and counts >= (progress.events, progress.outcomes):
                return last_s - first_s
            if not done:
                settled_s = now_s
            elif now_s - settled_s > _SETTLE_S:
                return last_s - first_s
    finally:
        for task in looking:
            task.cancel()
        await asyncio.gather(*looking, return_exceptions=True)


def _still_well(cast: Cast, looking: "Sequence[asyncio.Future[None]]") -> None:
    for task in looking:
        if task.done():
            task.result()
    status = cast.worker.exit_status
    if status is not None:
        raise DependencyError(f"the worker ended with status {status}:\n{tail(cast.place.worker_log)}")
    status = cast.replay.exit_status
    if status:
        raise DependencyError(f"the replay ended with status {status}:\n{tail(cast.place.replay_log)}")
