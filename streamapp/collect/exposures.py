"""Which answers are exposures of a unit to an arm, and why the others are not."""

from dataclasses import dataclass, fields, replace
from typing import Literal

import numpy as np

from streamapp.buckets import buckets_of
from streamapp.collect.answers import DEAD, Answers, Bool
from streamapp.collect.dealing import NO_ARM, Dealing, Served
from streamapp.collect.events import UNKNOWN, Events
from streamapp.types import Int16, Int64


@dataclass(slots=True)
class LeftOut:
    """Events that are no exposures, by the first reason that holds.

    apart: while not all arms had keys. others: answered by what the plan does not compare. unsettled: within a second
    of a change of keys. unread: the event cannot be decoded, has an empty routing key, or is not in the input topic.
    disordered: with event time, out of order around a change of keys. misdealt is no reason: exposures to another arm
    than the keys were dealt to.
    """

    apart: int = 0
    others: int = 0
    unsettled: int = 0
    unread: int = 0
    disordered: int = 0
    misdealt: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Exposures:
    """k exposures in the order of their time. rows int64 (k,): of the answers. arms int16, periods int64, times_ms
    int64 (k,): on the plan's clock."""

    rows: Int64
    arms: Int16
    periods: Int64
    times_ms: Int64

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, at: "Int64 | Bool") -> "Exposures":
        """Some of them."""
        return Exposures(*(getattr(self, each.name)[at] for each in fields(self)))


@dataclass(frozen=True, slots=True, eq=False)
class Admitted:
    """unread int64 (u,): the rows that are no exposures because their event is not known."""

    exposures: Exposures
    left: LeftOut
    unread: Int64


def expose(
    answers: Answers,
    events: Events,
    units: list[str],
    served: list[Served],
    dealing: Dealing,
    salt: str,
    clock: Literal["wall", "event_time"],
) -> Admitted:
    """The exposures among n answers, one row per event, whose units are numbers into `units`."""
    periods = dealing.period_of(answers.scored_ms)
    dealt = _dealt(answers, events, units, periods, dealing, salt)
    arms = _arms(answers, served, periods, dealing)
    arms = np.where(answers.served == DEAD, dealt, arms).astype(np.int16)
    compared = np.array([*(period.compared for period in dealing.periods), False])[periods]
    left = LeftOut()
    kept = np.ones(len(answers), np.bool_)
    for name, reason in (
        ("apart", ~compared),
        ("others", arms == NO_ARM),
        ("unsettled", dealing.unsettled(answers.scored_ms, periods)),
        ("unread", unread := events.units == UNKNOWN),
    ):
        setattr(left, name, int((kept & reason).sum()))
        kept, before = kept & ~reason, kept
    rows = np.flatnonzero(kept)
    times_ms = (answers.scored_ms if clock == "wall" else answers.event_ms)[rows]
    found = Exposures(rows, arms[rows], periods[rows], times_ms)
    ordered = found.take(_in_order(found))
    left = replace(
        left, disordered=len(found) - len(ordered), misdealt=int((dealt[ordered.rows] != ordered.arms).sum())
    )
    in_time = ordered.take(np.argsort(ordered.times_ms, kind="stable"))
    return Admitted(in_time, left, np.flatnonzero(before & unread))


def _arms(answers: Answers, served: list[Served], periods: Int64, dealing: Dealing) -> Int16:
    """int16 (n,): the arm that answered. A constant that stood in for a late answer is its variant's."""
    arms = np.array([*map(dealing.arms.of, served), NO_ARM], np.int16)[answers.served]
    for number, (variant, model, _) in enumerate(served):
        if not model and dealing.arms.by_version:
            of_period = [period.variants.get(variant, NO_ARM) for period in dealing.periods]
            at = answers.served == number
            arms[at] = np.array([*of_period, NO_ARM], np.int16)[periods[at]]
    return arms


def _dealt(answers: Answers, events: Events, units: list[str], periods: Int64, dealing: Dealing, salt: str) -> Int16:
    """int16 (n,): the arm that the unit's key was dealt to, `NO_ARM` where that is not known."""
    buckets = np.append(buckets_of(units, salt), 0)[events.units]
    owners = np.stack([*(period.owners for period in dealing.periods), np.full(10_000, NO_ARM, np.int16)])
    dealt: Int16 = owners[periods, buckets]
    dealt[events.units == UNKNOWN] = NO_ARM
    return dealt


def _in_order(found: Exposures) -> Bool:
    """Which exposures lie before every one of a later period."""
    kept = np.ones(len(found), np.bool_)
    bound = np.iinfo(np.int64).max
    for period in np.unique(found.periods)[::-1]:
        own = found.periods == period
        kept &= ~own | (found.times_ms < bound)
        bound = min(bound, int(found.times_ms[own].min()))
    return kept
