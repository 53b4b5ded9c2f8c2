"""How much a run of the suite does: minutes on every change, or an hour on demand."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Size:
    """Numbers that cases take their loops from.

    runs: repetitions of every case, each with a seed of its own. kills: SIGKILLs of case 1. storm_s: length of the
    rebalance storm. headline_events: events of the headline. rate: events per second fed in the background.
    kafka: versions used in turn.
    """

    name: str
    runs: int
    kills: int
    storm_s: float
    headline_events: int
    rate: int
    kafka: tuple[str, ...]


SHORT = Size("short", 1, 3, 15.0, 10_000, 400, ("4.4.0",))
LONG = Size("long", 5, 10, 60.0, 100_000, 800, ("4.4.0", "3.9.2"))
SIZES = {size.name: size for size in (SHORT, LONG)}
