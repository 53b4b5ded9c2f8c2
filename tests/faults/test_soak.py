"""15: at load for a while: memory flat, no backlog."""

import pytest

from tests.faults import bugs_inside
from tests.faults.modes import AT_LEAST_ONCE
from tests.faults.oracle import Verdict
from tests.faults.soak import MOST_MIB_PER_HOUR, Ground, Soak, run, write
from tests.faults.some_modes import dealt
from tests.faults.trial import Trial
from tests.faults.workplace import ROOT

SHORT_S, CONTROL_S, LONG_S = 24.0, 10.0, 1800.0
SAMPLE_S = 0.25
SHORT_RATE = 2000.0
SHORT_MIB_PER_HOUR = 1800.0
"""10 MiB in the 20 s that are looked at: allocators still settle. A leak of 100 kB per batch is ten times that."""
COMPLAINT = "complaint"


async def soak(trial: Trial, delivery: str) -> Verdict:
    """Half an hour at half of the peak rate, once in the long suite; else a glance."""
    long = trial.size.name == "long" and trial.run == 0 and delivery == AT_LEAST_ONCE and trial.bug is None
    ground = Ground(trial.bootstrap_servers, trial.folder, {} if delivery == AT_LEAST_ONCE else {"delivery": delivery})
    plants = [trial.bug] if trial.bug else []
    if long:
        found = await run(ground, LONG_S, None, most_mib_per_hour=MOST_MIB_PER_HOUR)
    else:
        seconds = CONTROL_S if plants else SHORT_S
        found = await run(ground, seconds, SHORT_RATE, *plants, most_mib_per_hour=SHORT_MIB_PER_HOUR, sample_s=SAMPLE_S)
    name = "soak" if long else f"glance-{delivery}{'-control' if plants else ''}"
    write(found, ROOT / "build" / "faults" / f"{name}.json")
    return verdict_of(found)


def verdict_of(found: Soak) -> Verdict:
    """What the soak complains of, with its figures."""
    memory, lag = found.lines()
    figures = {
        "memory MiB": found.rss_mib[-1],
        "memory MiB/h": memory.per_hour,
        "memory error MiB/h": memory.error,
        "lag/h": lag.per_hour,
        "rate/s": found.rate,
        "peak/s": found.peak,
    }
    complaints = found.complaints()
    return Verdict(found.events, {COMPLAINT: complaints} if complaints else {}, figures=figures)


@pytest.mark.parametrize("delivery", dealt(0))
async def test_memory_is_flat_and_no_backlog_grows(trial: Trial, delivery: str) -> None:
    trial.passed(trial.stage(delivery), await soak(trial, delivery))


@pytest.mark.parametrize("delivery", dealt(1))
async def test_a_leak_is_caught(trial: Trial, delivery: str) -> None:
    trial = trial.with_bug(bugs_inside.leaks)
    trial.caught(trial.stage(delivery), await soak(trial, delivery), COMPLAINT)
