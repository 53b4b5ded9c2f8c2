"""A control log in memory as a command line reaches it, with a leader that sees what a test says."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from streamapp.act.commands import Aliased, AnyCommand, Command, encode
from streamapp.act.lead import Look, Pen, next_command
from streamapp.act.rewards import Rewards
from streamapp.act.state import Rollout, State
from streamapp.act.steps import Analyse, Explore, Wait
from streamapp.control.fold import Fold
from streamapp.errors import ContractError, ModelLoadError, UnknownVersion
from streamapp.rollout.reach import Reach
from streamapp.testing import ManualClock

KNOWN = frozenset({"error_rate", "log_loss", "champion_log_loss"})
NOTHING = Rewards(0, 0, 0)


@dataclass
class ScriptedLog:
    """leads: whether a leader is at work while the log is open; it lets the time pass that it waits for. notes: whether
    it moves an alias after promotions. evidence, rewards, failed: what it sees. dies_at: the offset at which following
    ends with an error."""

    leads: bool = False
    notes: bool = False
    evidence: Mapping[str, float] = field(default_factory=dict)
    rewards: tuple[Rewards, Rewards] = (NOTHING, NOTHING)
    failed: str = ""
    clock: ManualClock = field(default_factory=ManualClock)
    records: list[tuple[int, bytes]] = field(default_factory=list)
    dies_at: int | None = None
    before_append: Callable[[], None] = lambda: None

    def write(self, command: Command) -> None:
        """Write a command while nobody has the log open."""
        self.records.append((self.clock.now_ms(), encode(command)))

    @property
    def state(self) -> State:
        """What the records lead to."""
        fold = Fold(State())
        for offset, record in enumerate(self.records):
            fold.take(offset, *record)
        return fold.state

    @asynccontextmanager
    async def open(self) -> "AsyncIterator[ScriptedLog]":
        self._longer = asyncio.Condition()
        leading = asyncio.create_task(self._lead()) if self.leads else None
        try:
            yield self
        finally:
            if leading is not None:
                leading.cancel()
                with suppress(asyncio.CancelledError):
                    await leading

    async def append(self, value: bytes) -> int:
        self.before_append()
        async with self._longer:
            self.records.append((self.clock.now_ms(), value))
            self._longer.notify_all()
        return len(self.records) - 1

    async def follow(
        self, start: int, on_record: Callable[[int, int, bytes], Awaitable[None] | None], caught_up: asyncio.Event
    ) -> None:
        while True:
            while start < len(self.records):
                if start == self.dies_at:
                    raise ModelLoadError("the log is gone")
                done = on_record(start, *self.records[start])
                if done is not None:
                    await done
                start += 1
            caught_up.set()
            async with self._longer:
                await self._longer.wait_for(lambda: len(self.records) > start)  # noqa: B023

    async def _lead(self) -> None:
        while True:
            known = len(self.records)
            command = next(filter(None, map(self._due, self.state.rollouts.values())), None) or self._alias()
            if command is not None:
                await self.append(encode(command))
                continue
            async with self._longer:
                await self._longer.wait_for(lambda: len(self.records) > known)  # noqa: B023

    def _alias(self) -> Aliased | None:
        for model, each in self.state.promotions.items():
            if self.notes and not each.settled:
                said = {"id": f"{len(self.records):012x}", "by": "w1", "at_ms": self.clock.now_ms(), "settled": True}
                return Aliased(**said, model=model, promotion=each.revision, reason=f"champion -> {each.version}")
        return None

    def _due(self, rollout: Rollout) -> AnyCommand | None:
        if not rollout.over and rollout.status != "paused":
            waited_s = (self.clock.now_ms() - rollout.since_ms) / 1000
            self.clock.advance(max(0.0, _lasts_s(rollout) - waited_s))
        pen = Pen(f"{len(self.records):012x}", "w1", self.clock.now_ms())
        return next_command(rollout, Look((), self.failed, self.evidence, self.rewards), pen, KNOWN)


def _lasts_s(rollout: Rollout) -> float:
    step = rollout.current
    if isinstance(step, Analyse | Explore):
        return step.interval_s * (rollout.measured + 1)
    return step.duration_s or 0.0 if isinstance(step, Wait) else 0.0


@dataclass
class Shelf:
    """The versions of one model: version -> its feature service. torn: versions that do not fit. aliases: alias ->
    version."""

    services: Mapping[str, str | None]
    torn: frozenset[str] = frozenset()
    aliases: Mapping[str, str] = field(default_factory=dict)
    checked: list[tuple[str, str, str]] = field(default_factory=list)

    def resolve(self, model: str, reference: str) -> str:
        if reference in self.services:
            return reference
        if reference.removeprefix("@") not in self.aliases:
            raise UnknownVersion(f"model `{model}` has no version or alias {reference}")
        return self.aliases[reference.removeprefix("@")]

    def feature_service(self, model: str, version: str) -> str | None:
        if version not in self.services:
            raise ModelLoadError(f"model `{model}` has no version {version}")
        return self.services[version]

    def check(self, model: str, version: str, wiring: str) -> None:
        self.checked.append((model, version, wiring))
        if version in self.torn:
            raise ContractError(f"version {version} of `{model}` takes 3 columns, variant `{wiring}` gives 2")


def reach_to(log: ScriptedLog, shelf: Shelf) -> Reach:
    """A person at a command line."""
    return Reach(log.open, shelf, KNOWN, log.clock, "ann@host", log.notes)
