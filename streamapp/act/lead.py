"""What the leader writes next: pure, so that whoever leads writes the same, and void if it was written before."""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from streamapp.act.bandit import judge
from streamapp.act.commands import Abort, Advance, AnyCommand, Measured, Weighed
from streamapp.act.rewards import Rewards
from streamapp.act.state import LOADING, PAUSED, Rollout
from streamapp.act.steps import Analyse, Explore, Wait
from streamapp.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Look:
    """What the leader sees of one rollout, merged over all workers.

    waiting: workers where the state is not in force yet. failed: why a worker cannot serve the candidate, "" if none
    says so. evidence: its measures since the step began, and those of the champion. rewards: of the candidate and of
    the champion.
    """

    waiting: tuple[str, ...]
    failed: str
    evidence: Mapping[str, float]
    rewards: tuple[Rewards, Rewards]


@dataclass(frozen=True, slots=True)
class Pen:
    """How the next command is signed: a fresh id, who writes, and when (the broker's clock, ms since the epoch)."""

    id: str
    by: str
    at_ms: int


def next_command(rollout: Rollout, look: Look, pen: Pen, known: frozenset[str]) -> AnyCommand | None:
    """What is to be written about this rollout now; None while it is over, paused or nothing is due.

    known: the evidence that conditions may name.
    """
    if rollout.over:
        return None
    if look.failed:
        return Abort(**_signed(pen), rollout=rollout.id, reason=look.failed)
    if rollout.status == PAUSED:
        return None
    step = rollout.current
    waited_s = (pen.at_ms - rollout.since_ms) / 1000
    if rollout.step == LOADING:
        if look.waiting:
            return None
        return Advance(
            **_signed(pen), rollout=rollout.id, turn=rollout.turn, step=LOADING, reason="every worker has loaded it"
        )
    if isinstance(step, Wait):
        if step.duration_s is None or waited_s < step.duration_s:
            return None
        return _advance(rollout, pen, "the pause is over")
    if not isinstance(step, Analyse | Explore) or waited_s < step.interval_s * (rollout.measured + 1):
        return None
    if isinstance(step, Explore):
        return _weighed(rollout, step, look, pen)
    return _measured(rollout, step, look, pen, known)


def _advance(rollout: Rollout, pen: Pen, reason: str) -> AnyCommand:
    return Advance(**_signed(pen), rollout=rollout.id, turn=rollout.turn, step=rollout.step, reason=reason)


def _measured(rollout: Rollout, step: Analyse, look: Look, pen: Pen, known: frozenset[str]) -> AnyCommand:
    try:
        analysis = step.analysis(known)
    except ConfigError as error:
        return Abort(**_signed(pen), rollout=rollout.id, reason=f"step {rollout.step + 1}: {error}")
    found = analysis.measure(look.evidence)
    return Measured(
        **_signed(pen),
        rollout=rollout.id,
        turn=rollout.turn,
        step=rollout.step,
        number=rollout.measured + 1,
        result=found.result,
        reason=found.reason,
        evidence=look.evidence,
    )


def _weighed(rollout: Rollout, step: Explore, look: Look, pen: Pen) -> AnyCommand:
    number = rollout.measured + 1
    # The same look gives the same weight, whoever takes it.
    seed = zlib.crc32(f"{rollout.id}/{rollout.step}/{number}".encode())
    found = judge(step, rollout.weight, rollout.contest, look.rewards, seed)
    return Weighed(
        **_signed(pen),
        rollout=rollout.id,
        turn=rollout.turn,
        step=rollout.step,
        number=number,
        weight=found.weight,
        best=found.best,
        evidence=look.evidence,
        contest=found.contest,
        result=found.result,
        reason=found.reason,
    )


def _signed(pen: Pen) -> dict[str, Any]:
    return {"id": pen.id, "by": pen.by, "at_ms": pen.at_ms}
