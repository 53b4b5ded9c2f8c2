"""Which work makes no progress: per partition and step, for how long it has stood at the same place.

Pure: no thread, no I/O; time is handed in. What must not count as being stuck:
1. Nothing to do: work that is absent from a reading has no age.
2. A dependency that is down: while tries are repeated, and while the group's coordinator is not known, nothing ages.
3. A process that did not run (stopped, starved, suspended): two looks are never counted as more than `MOST_BETWEEN_S`
   apart, however late the second one comes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from streamapp.kafka.ledger import Partition

Step = Literal["fetch", "answer", "commit", "finish"]
"""What should go on: taking records that the broker has, answering those taken, committing those answered, and
finishing any micro-batch at all, also one whose partition is gone."""

MOST_BETWEEN_S = 5.0
"""Most time between two looks that counts."""

EXCUSED_S = 10.0
"""For how long a repeated try excuses everything: twice the longest pause between two tries."""


class Work(NamedTuple):
    """Something that should go on; `finish` belongs to no partition."""

    step: Step
    partition: Partition | None


@dataclass(frozen=True, slots=True)
class Reading:
    """What a worker has to do at one moment.

    work: what is to be done -> where it stands, a number that changes with every progress (an offset but for
    `finish`). retries: tries repeated so far because a dependency was down. broker_answers: whether the group's
    coordinator is known. phase: `starting`, `assigning`, `rebalancing`, `draining` or `working`. partitions: how
    many are held. oldest_in_flight_s: age of the oldest micro-batch in flight, 0 without one.
    """

    phase: str
    work: Mapping[Work, int] = field(default_factory=dict)
    retries: int = 0
    broker_answers: bool = True
    partitions: int = 0
    oldest_in_flight_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Stall:
    """Work that stands still. at: as in `Reading.work`. age_s: since when, in seconds that counted."""

    work: Work
    at: int
    age_s: float


@dataclass(frozen=True, slots=True)
class Seen:
    """What one look found. waiting: a dependency is down, so nothing ages. oldest stall first."""

    waiting: bool
    stalls: tuple[Stall, ...]


class Watchdog:
    """Compares readings. One look a second or so."""

    def __init__(self) -> None:
        self._last_s: float | None = None
        self._watched_s = 0.0
        self._since: dict[Work, tuple[int, float]] = {}
        self._retries = 0
        self._excused_until_s = 0.0

    def look(self, reading: Reading, now_s: float) -> Seen:
        """What stands still in `reading`, taken at `now_s` (monotonic). Work that moved or is new has age 0."""
        self.pass_time(now_s)
        if reading.retries != self._retries:
            self._retries = reading.retries
            self._excused_until_s = self._watched_s + EXCUSED_S
        waiting = not reading.broker_answers or self._watched_s < self._excused_until_s
        counts = reading.phase == "working" and not waiting
        self._since = {work: self._began(work, at, counts) for work, at in reading.work.items()}
        stalls = [Stall(work, at, self._watched_s - began_s) for work, (at, began_s) in self._since.items()]
        return Seen(waiting, tuple(sorted(stalls, key=lambda stall: -stall.age_s)))

    def pass_time(self, now_s: float) -> float:
        """Count the time until `now_s` without a reading; the seconds counted since the last call."""
        passed_s = 0.0 if self._last_s is None else min(max(now_s - self._last_s, 0.0), MOST_BETWEEN_S)
        self._last_s = now_s
        self._watched_s += passed_s
        return passed_s

    def _began(self, work: Work, at: int, counts: bool) -> tuple[int, float]:
        known = self._since.get(work)
        return known if counts and known is not None and known[0] == at else (at, self._watched_s)
