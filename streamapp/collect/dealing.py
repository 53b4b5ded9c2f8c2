"""By which weights keys were dealt to what is compared, and since when.

A period lasts as long as every key stays with the arm that it has and every arm stays what it is. What is compared
only counts where all arms had keys: before a rollout and after its end there is nothing to compare.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from streamapp.act.state import State, owners_of
from streamapp.buckets import BUCKETS, deal
from streamapp.config.experiment import ExperimentSettings
from streamapp.config.settings import PipelineSettings
from streamapp.control.fold import Entry, Fold
from streamapp.types import Int16, Int64

NO_ARM = -1
SETTLE_MS = 1_000
"""How long workers may take to follow a command; whom a key was answered by within that time is not known."""

Served = tuple[str, str, str]
"""Variant, model, version."""


@dataclass(frozen=True, slots=True, eq=False)
class Dealt:
    """What the log, or the pipeline file, says from a time on. served: per variant. owners int16 (10 000,): bucket ->
    index into `served`."""

    start_ms: int
    served: tuple[Served, ...]
    owners: Int16


@dataclass(frozen=True, slots=True)
class Arms:
    """What is compared: variants by name, or versions of `model`."""

    names: tuple[str, ...]
    by_version: bool
    model: str

    def of(self, served: Served) -> int:
        """The arm of whoever answered, `NO_ARM` for others."""
        variant, model, version = served
        name = version if self.by_version else variant
        if name not in self.names or (self.by_version and model != self.model):
            return NO_ARM
        return self.names.index(name)


@dataclass(frozen=True, slots=True, eq=False)
class Period:
    """owners int16 (10 000,): bucket -> arm. counts: buckets of each arm. variants: variant -> arm."""

    start_ms: int
    owners: Int16
    counts: tuple[int, ...]
    variants: dict[str, int]

    @property
    def compared(self) -> bool:
        """Whether all arms had keys."""
        return all(self.counts)

    def weights(self, arms: Arms) -> dict[str, float]:
        """Arm -> its share of the keys of all arms."""
        return {name: count / sum(self.counts) for name, count in zip(arms.names, self.counts, strict=True)}


@dataclass(frozen=True, slots=True, eq=False)
class Dealing:
    """Periods in their order, and everything that ever served, for messages."""

    arms: Arms
    periods: tuple[Period, ...]
    served: tuple[Served, ...]

    def period_of(self, times_ms: Int64) -> Int64:
        """The period of each of n times, -1 before the first one."""
        starts = np.array([period.start_ms for period in self.periods], np.int64)
        return np.searchsorted(starts, times_ms, side="right") - 1

    def unsettled(self, times_ms: Int64, periods: Int64) -> npt.NDArray[np.bool_]:
        """Which of n times lie so close after a change that the period before may still have been in force."""
        starts = np.array([period.start_ms for period in self.periods], np.int64)
        return (periods > 0) & (times_ms < starts[periods] + SETTLE_MS)


def arms_of(settings: ExperimentSettings, pipeline: PipelineSettings) -> Arms:
    """What a plan compares."""
    only = next(iter(pipeline.variants.values())).model.name
    return Arms(settings.variants, settings.compare == "version", settings.model or only)


def dealt_by_file(pipeline: PipelineSettings) -> Dealt:
    """What a pipeline file without control says, for ever."""
    served = tuple((name, each.model.name, each.model.version) for name, each in pipeline.variants.items())
    return Dealt(np.iinfo(np.int64).min, served, deal([each.weight for each in pipeline.variants.values()]))


def dealt_by_log(records: Iterable[tuple[int, int, bytes]]) -> Iterator[Dealt]:
    """What the records of a control log (offset, broker's timestamp in ms, value) led to, one after the other."""
    fold, last_ms = Fold(State()), 0
    for record in records:
        entry: Entry = fold.take(*record)
        last_ms = max(last_ms, entry.at_ms)
        if entry.command is not None and not entry.refusal and fold.state.table:
            yield Dealt(last_ms, _served(fold.state), owners_of(fold.state.table))


def dealing_of(arms: Arms, dealt: Iterable[Dealt]) -> Dealing:
    """The periods that these come to; what changes nothing for the arms begins none."""
    periods: list[Period] = []
    before: object = None
    served: dict[Served, None] = {}
    for each in dealt:
        served |= dict.fromkeys(each.served)
        period = _period(arms, each)
        kept = [one for one in each.served if arms.of(one) != NO_ARM]
        now = (period.owners.tobytes(), kept)
        if now != before:
            if periods and periods[-1].start_ms == period.start_ms:
                periods.pop()
            periods.append(period)
        before = now
    return Dealing(arms, tuple(periods), tuple(served))


def _period(arms: Arms, dealt: Dealt) -> Period:
    arm = np.array([*map(arms.of, dealt.served), NO_ARM], np.int16)
    owners = arm[dealt.owners]
    counts = np.bincount(owners[owners != NO_ARM], minlength=len(arms.names))
    variants = {served[0]: arms.of(served) for served in dealt.served}
    return Period(dealt.start_ms, owners, tuple(map(int, counts)), variants)


def _served(state: State) -> tuple[Served, ...]:
    return tuple(
        (name, state.declared[tenant.wiring].model, state.version_of(tenant)) for name, tenant in state.tenants.items()
    )


def shares_said(period: Period, names: Sequence[str]) -> str:
    """`1 90 %, 2 10 %`."""
    parts = zip(names, period.counts, strict=True)
    return ", ".join(f"{name} {100 * count / BUCKETS:.4g} %" for name, count in parts)
