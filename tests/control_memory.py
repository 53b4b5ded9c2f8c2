"""The control topics in memory, and workers around them."""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from streamapp.act.commands import DeclaredVariant
from streamapp.act.report import Report, Seen, decode_report
from streamapp.act.rewards import Rewards
from streamapp.act.state import State
from streamapp.control.duty import ControlDuty
from streamapp.control.enforce import Enforcer
from streamapp.control.noting import Notes
from streamapp.errors import ControlError, ModelLoadError, RegistryUnavailable
from streamapp.protocols import Serving
from streamapp.testing import ManualClock
from streamapp.types import ServingPlan, Tenant, Variant


class MemoryTopic:
    """Records in order, stamped by the broker, for any number of followers; `streamapp.control.client.Log`."""

    def __init__(self, stamp: Callable[[], int]) -> None:
        self.records: list[bytes] = []
        self.times_ms: list[int] = []
        self._stamp = stamp
        self._grown = asyncio.Condition()

    async def append(self, value: bytes) -> int:
        async with self._grown:
            self.records.append(value)
            self.times_ms.append(self._stamp())
            self._grown.notify_all()
            return len(self.records) - 1

    async def follow(
        self, start: int, on_record: Callable[[int, int, bytes], Awaitable[None] | None], caught_up: asyncio.Event
    ) -> None:
        at = start
        while True:
            while at < len(self.records):
                waiting = on_record(at, self.times_ms[at], self.records[at])
                if waiting is not None:
                    await waiting
                at += 1
            caught_up.set()
            async with self._grown:
                await self._grown.wait_for(lambda at=at: len(self.records) > at)


class MemorySnapshots:
    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}

    async def save(self, key: str, value: bytes) -> None:
        self.kept[key] = value

    async def load(self) -> Mapping[str, bytes]:
        return dict(self.kept)


class MemoryReports:
    def __init__(self, stamp: Callable[[], int]) -> None:
        self._kept: dict[str, tuple[int, bytes]] = {}
        self._followers: list[Callable[[str, int, bytes], None]] = []
        self._stamp = stamp
        self.failing = 0

    def send(self, key: str, value: bytes) -> None:
        self._kept[key] = (self._stamp(), value)
        for follower in self._followers:
            follower(key, self._stamp(), value)

    def latest(self, key: str) -> Report:
        return decode_report(self._kept[key][1])

    async def follow(self, on_report: Callable[[str, int, bytes], None], caught_up: asyncio.Event) -> None:
        if self.failing:
            self.failing -= 1
            raise ControlError("the reports are gone")
        for key, (at_ms, value) in self._kept.items():
            on_report(key, at_ms, value)
        caught_up.set()
        self._followers.append(on_report)
        try:
            await asyncio.Event().wait()
        finally:
            self._followers.remove(on_report)


@dataclass
class Shelf:
    """Builds servings without models. torn: versions that cannot be loaded. away: those that
    the registry does not give now. held: one event per version that loading
    waits for."""

    torn: set[str | None] = field(default_factory=set)
    away: set[str | None] = field(default_factory=set)
    held: dict[str | None, threading.Event] = field(default_factory=dict)
    breaking: set[str | None] = field(default_factory=set)
    ready: set[Tenant] = field(default_factory=set)
    served: list[Serving] = field(default_factory=list)

    def has(self, tenant: Tenant) -> bool:
        return tenant in self.ready

    def broken(self, tenant: Tenant) -> str:
        return "it broke" if tenant.version in self.breaking else ""

    def forgive(self, tenant: Tenant) -> None:
        self.breaking.discard(tenant.version)

    def load(self, tenant: Tenant) -> None:
        if tenant.version in self.held:
            self.held[tenant.version].wait()
        if tenant.version in self.torn:
            raise ModelLoadError(f"version {tenant.version} is torn")
        if tenant.version in self.away:
            raise RegistryUnavailable("the registry does not answer")
        self.ready.add(tenant)

    def retire(self, keep: ServingPlan) -> bool:
        self.ready &= set(keep.tenants.values())
        return True

    def build(self, plan: ServingPlan) -> Serving:
        assert set(plan.tenants.values()) <= self.ready
        variants = tuple(Variant(name, tenant.wiring, tenant.version or "") for name, tenant in plan.tenants.items())
        return Serving(plan.revision, variants, router=plan, inferrer=None)  # type: ignore[arg-type]

    def serve(self, serving: Serving) -> None:
        self.served.append(serving)

    @property
    def versions(self) -> dict[str, str]:
        """Variant -> version that it serves now."""
        return {variant.name: variant.model_version for variant in self.served[-1].variants}


class Eyes:
    """Evidence that a test sets; `streamapp.control.duty.Witness`."""

    known = frozenset({"error_rate"})

    def __init__(self) -> None:
        self.evidence: dict[str, float] = {"error_rate": 0.0}
        self.looks = 0

    def begin(self, state: State) -> None:
        pass

    def seen(self) -> Mapping[str, Seen]:
        return {}

    def merged(self, seen: Sequence[Seen]) -> tuple[Mapping[str, float], tuple[Rewards, Rewards]]:
        self.looks += 1
        return self.evidence, (Rewards(0, 0, 0), Rewards(0, 0, 0))


@dataclass
class Ground:
    """What workers share. ahead_ms: of the workers' clock, the broker's."""

    ahead_ms: int = 0
    clock: ManualClock = field(default_factory=ManualClock)
    snapshots: MemorySnapshots = field(default_factory=MemorySnapshots)
    eyes: Eyes = field(default_factory=Eyes)
    topic: MemoryTopic = field(init=False)
    reports: MemoryReports = field(init=False)

    def __post_init__(self) -> None:
        self.topic, self.reports = MemoryTopic(self.stamp), MemoryReports(self.stamp)

    def stamp(self) -> int:
        """The broker's time."""
        return self.clock.now_ms() + self.ahead_ms


class Hand:
    """A worker's duty, started and ended as a worker does it."""

    def __init__(
        self,
        ground: Ground,
        declared: Mapping[str, DeclaredVariant],
        notes: Notes | None = None,
        *,
        leads: bool = False,
    ) -> None:
        self.shelf = Shelf()
        self.leads = leads
        in_force = {name: Tenant(variant.wiring) for name, variant in declared.items()}
        self.enforcer = Enforcer(self.shelf, self.shelf.serve, in_force, retry_s=0.02)
        self.duty = ControlDuty(
            ground.topic,
            ground.snapshots,
            ground.reports,
            self.enforcer,
            ground.eyes,
            ground.clock,
            notes,
            declared=declared,
            leads=lambda: self.leads,
            report_interval_s=0.05,
        )
        self._running: asyncio.Task[None] | None = None

    async def start(self) -> "Hand":
        await self.duty.join()
        self._running = asyncio.create_task(self.duty.run())
        return self

    async def ended(self) -> None:
        """Return, or raise, as its duty does."""
        assert self._running is not None
        await self._running

    async def leave(self) -> None:
        """End in order."""
        await self._stop()
        await self.duty.leave()

    async def die(self) -> None:
        """End without a word."""
        await self._stop()
        following = self.duty._following
        if following is not None:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
        await self.enforcer.close()

    async def _stop(self) -> None:
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)

    async def until(self, true: Callable[[], bool], within_s: float = 10.0) -> None:
        """Return once something holds."""
        deadline = time.monotonic() + within_s
        while not true():
            assert time.monotonic() < deadline, "it does not hold"
            await asyncio.sleep(0.01)
