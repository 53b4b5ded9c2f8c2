"""A worker's serving made to follow the control state, without a batch that waits for a model to load.

1. What a state asks for is put in force at once as far as it is loaded; a variant that answers nobody may still have
   what it had before, and shadows nobody then.
2. What is missing is loaded beside, in a thread of its own, and put in force then.
3. What cannot be loaded is remembered and reported, and everything that serves stays as it was. What is only not to be
   had at the moment, as the registry does not answer, is tried again for as long as it is wanted.
4. What this worker's pipeline file does not have is reported likewise, and the rest is followed.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Set
from dataclasses import replace
from functools import partial
from typing import Protocol

import numpy as np

from streamapp.act.report import Failed
from streamapp.control.overlap import followed, unknown_to
from streamapp.errors import Disposition, StreamappError
from streamapp.protocols import Serving
from streamapp.serving import in_thread
from streamapp.types import ServingPlan, Tenant

log = logging.getLogger(__name__)

RETRY_S = 1.0
LONGEST_RETRY_S = 30.0


class Builder(Protocol):
    """What makes a `Serving` of a plan: `streamapp.serving.ServingBuilder`."""

    def has(self, tenant: Tenant) -> bool:
        """Whether it is ready to serve."""
        ...

    def broken(self, tenant: Tenant) -> str:
        """Why it broke on trial, "" if it did not."""
        ...

    def forgive(self, tenant: Tenant) -> None:
        """Forget that it broke."""
        ...

    def load(self, tenant: Tenant) -> None:
        """Make it so. Blocking. Raises a `StreamappError` that says what is wrong with it."""
        ...

    def build(self, plan: ServingPlan) -> Serving:
        """A serving; takes no time where all tenants are loaded."""
        ...

    def retire(self, keep: ServingPlan) -> bool:
        """Release what neither serves nor is in `keep`; whether nothing is left to release. Blocking."""
        ...


def answering(plan: ServingPlan) -> frozenset[str]:
    """The variants that own buckets."""
    variants = list(plan.tenants)
    return frozenset(variants[index] for index in np.unique(plan.owners).tolist())


def feasible(plan: ServingPlan, in_force: Mapping[str, Tenant], loaded: Callable[[Tenant], bool]) -> ServingPlan | None:
    """`plan`, with the variants that answer nobody left as they are, and without a shadow, where their tenant is not
    loaded; None if another one's is not."""
    tenants, shadows = dict(plan.tenants), list(plan.shadows)
    needed = answering(plan)
    for index, (variant, tenant) in enumerate(plan.tenants.items()):
        if loaded(tenant):
            continue
        if variant in needed:
            return None
        tenants[variant], shadows[index] = in_force[variant], 0.0
    return replace(plan, tenants=tenants, shadows=tuple(shadows))


class Enforcer:
    """Keeps one worker's serving at the newest plan. Belongs to the event loop; only loading leaves it."""

    def __init__(
        self,
        builder: Builder,
        serve: Callable[[Serving], object],
        in_force: Mapping[str, Tenant],
        retry_s: float = RETRY_S,
    ) -> None:
        """in_force: every variant of the pipeline, wired as itself. retry_s: the pause before the second try of what is
        not to be had at the moment; each is twice as long."""
        self._builder, self._serve, self._retry_s = builder, serve, retry_s
        self._in_force = dict(in_force)
        self._slots = {slot: tenant.wiring for slot, tenant in in_force.items()}
        self._unknown: Mapping[tuple[str, Tenant], str] = {}
        self._wanted: ServingPlan | None = None
        self._served: ServingPlan | None = None
        self._failed: dict[tuple[str, Tenant], str] = {}
        self._loading: dict[Tenant, asyncio.Task[None]] = {}
        self._answers = 0  # the newest plan by which every key is answered
        self._tidy = True
        self._models = asyncio.Lock()  # what was just loaded must not be released before it is in force
        self._changed = asyncio.Event()
        self.revision = 0
        """The newest plan of which everything is loaded and in force."""
        self.load_failures = 0
        """Loads that failed since the start."""

    @property
    def failed(self) -> tuple[Failed, ...]:
        """What the newest plan asks for and cannot be had, or has broken since."""
        asked = self._wanted.tenants if self._wanted is not None else {}
        broken = {place: reason for place in asked.items() if (reason := self._builder.broken(place[1]))}
        return tuple(Failed(*place, reason) for place, reason in {**self._unknown, **broken, **self._failed}.items())

    @property
    def loading(self) -> bool:
        """Whether something that the newest plan asks for is neither in force nor failed."""
        asked = self._wanted.tenants if self._wanted is not None else {}
        return any(self._in_force[place[0]] != place[1] and place not in self._failed for place in asked.items())

    @property
    def missing(self) -> tuple[Failed, ...]:
        """What could not be loaded and is to answer keys by the newest plan, which is not in force without it."""
        needed = answering(self._wanted) if self._wanted is not None else frozenset()
        return tuple(Failed(*place, reason) for place, reason in self._failed.items() if place[0] in needed)

    def aim(self, plan: ServingPlan, foreign: Set[str] = frozenset()) -> None:
        """From now on `plan` is wanted. foreign: its variants and wirings that are others in this worker's file.

        Raises `ControlError` where keys are answered by what this worker cannot know, and nothing is in force yet.
        """
        unknown = {place: _unknown(*place, foreign) for place in unknown_to(self._slots, plan, foreign).items()}
        if unknown and unknown != self._unknown:
            log.warning("%s", "; ".join(unknown.values()))
        self._unknown = unknown
        before, plan = self._wanted, followed(plan, self._slots, self._served, foreign)
        self._wanted = plan
        for variant in _tried_anew(plan, before):
            self._builder.forgive(plan.tenants[variant])
        asked = set(plan.tenants.items())
        self._failed = {place: reason for place, reason in self._failed.items() if place in asked}
        self._enforce(plan)
        needed = answering(plan)
        first = sorted(plan.tenants, key=lambda variant: variant not in needed)
        for tenant in dict.fromkeys(plan.tenants[variant] for variant in first):
            known_bad = any(tenant == failed for _, failed in self._failed)
            if not (self._builder.has(tenant) or tenant in self._loading or known_bad):
                self._loading[tenant] = asyncio.create_task(self._load(tenant))

    async def settled(self) -> None:
        """Return once every key is answered as the newest plan has it, or cannot be: see `missing`. What answers nobody
        may be loading still, or be tried again."""
        while self._wanted is not None and self._answers < self._wanted.revision and not self.missing:
            self._changed.clear()
            await self._changed.wait()

    async def changed(self) -> None:
        """Return once something was put in force, or failed to load, since the last call."""
        await self._changed.wait()
        self._changed.clear()

    async def tidy(self) -> None:
        """Release the models that were replaced, as far as no batch under way needs them."""
        if self._wanted is None or self._tidy or self._loading:
            return
        async with self._models:
            self._tidy = await asyncio.wrap_future(in_thread(partial(self._builder.retire, self._wanted)))

    async def close(self) -> None:
        """Stop loading; what is being loaded at the moment is left to its thread, whose result nobody takes."""
        tasks = list(self._loading.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _load(self, tenant: Tenant) -> None:
        pause_s = self._retry_s
        try:
            while await self._is_away(tenant):
                self._changed.set()
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, LONGEST_RETRY_S)
        finally:
            self._loading.pop(tenant, None)
        if self._wanted is not None:
            self._enforce(self._wanted)

    async def _is_away(self, tenant: Tenant) -> bool:
        """Try to load it; whether that failed, and is worth another try."""
        if self._wanted is None or tenant not in self._wanted.tenants.values():
            return False
        try:
            async with self._models:
                await asyncio.wrap_future(in_thread(partial(self._builder.load, tenant)))
        except StreamappError as error:
            self._refuse(tenant, str(error))
            return error.disposition is Disposition.RETRY
        except Exception as error:  # a model's own code may raise anything; what serves goes on serving
            log.exception("loading %s failed", tenant)
            self._refuse(tenant, repr(error))
            return False
        self._failed = {place: reason for place, reason in self._failed.items() if place[1] != tenant}
        return False

    def _refuse(self, tenant: Tenant, reason: str) -> None:
        self.load_failures += 1
        plan = self._wanted
        variants = [variant for variant, asked in plan.tenants.items() if asked == tenant] if plan is not None else []
        for variant in variants:
            log.error("variant %s stays as it is: %s", variant, reason)
            self._failed[variant, tenant] = reason

    def _enforce(self, plan: ServingPlan) -> None:
        possible = feasible(plan, self._in_force, self._builder.has)
        if possible is not None:
            if not _alike(possible, self._served):
                self._serve(self._builder.build(possible))
                self._served, self._in_force, self._tidy = possible, dict(possible.tenants), False
            self._answers = plan.revision
            if self._in_force == plan.tenants and not self._unknown:
                self.revision = plan.revision
        self._changed.set()


def _tried_anew(plan: ServingPlan, before: ServingPlan | None) -> list[str]:
    """Variants that are to serve something else than before, or the same by a new command."""
    if before is None:
        return list(plan.tenants)
    fresh = plan.trials - before.trials
    return [name for name, tenant in plan.tenants.items() if name in fresh or before.tenants.get(name) != tenant]


def _unknown(variant: str, tenant: Tenant, foreign: Set[str]) -> str:
    wired = "" if tenant.wiring == variant else f", wired like `{tenant.wiring}`,"
    found = "has another model in" if foreign & {variant, tenant.wiring} else "is not in"
    return (
        f"variant `{variant}`{wired} {found} this worker's pipeline file: its keys are answered as before; start the "
        "worker with the declared file"
    )


def _alike(plan: ServingPlan, other: ServingPlan | None) -> bool:
    """Whether they ask for the same, be it at different places of the log."""
    return (
        other is not None
        and plan.tenants == other.tenants
        and plan.shadows == other.shadows
        and plan.trials == other.trials
        and np.array_equal(plan.owners, other.owners)
    )
