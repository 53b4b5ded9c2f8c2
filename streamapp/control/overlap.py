"""A plan by one pipeline file, as a worker that was started with another one can follow it.

While files are exchanged worker by worker, the log speaks of the newest one:
1. A version that the log's file gives is, to a worker whose file gives another one, a version of the registry.
2. Keys of a variant that the worker's file does not have are answered as before.
3. A variant that has another model there is another variant, and the worker lacks the one that is meant.
4. A variant of the worker's file that is gone from the log's keeps what it has, and answers nobody.
"""

from collections.abc import Mapping, Set
from dataclasses import replace

import numpy as np

from streamapp.act.commands import DeclaredVariant
from streamapp.errors import ControlError
from streamapp.types import NO_VARIANT, Int16, ServingPlan, Tenant


def with_versions(
    plan: ServingPlan, theirs: Mapping[str, DeclaredVariant], ours: Mapping[str, DeclaredVariant]
) -> ServingPlan:
    """`plan`, with the version named where the file that the log knows gives another one than our file."""

    def named(tenant: Tenant) -> Tenant:
        their, our = theirs.get(tenant.wiring), ours.get(tenant.wiring)
        if tenant.version is not None or their is None or our is None or their.version == our.version:
            return tenant
        return Tenant(tenant.wiring, their.version)

    return replace(plan, tenants={variant: named(tenant) for variant, tenant in plan.tenants.items()})


def remodelled(theirs: Mapping[str, DeclaredVariant], ours: Mapping[str, DeclaredVariant]) -> frozenset[str]:
    """The variants that have another model in the file that the log knows than in ours."""
    return frozenset(name for name in theirs.keys() & ours.keys() if theirs[name].model != ours[name].model)


def unknown_to(slots: Mapping[str, str], plan: ServingPlan, foreign: Set[str] = frozenset()) -> Mapping[str, Tenant]:
    """The variants of `plan` that a worker with `slots` (name -> wiring) cannot have, and their tenants. foreign:
    names that mean something else to it."""
    variants, wirings = slots.keys() - foreign, set(slots.values()) - foreign
    return {
        variant: tenant
        for variant, tenant in plan.tenants.items()
        if variant not in variants or tenant.wiring not in wirings
    }


def followed(
    plan: ServingPlan, slots: Mapping[str, str], served: ServingPlan | None, foreign: Set[str] = frozenset()
) -> ServingPlan:
    """`plan` as far as a worker with `slots` can follow it, variants in their order. served: what it has in force.
    foreign: names that mean something else to it.

    Raises `ControlError` where keys are answered by a variant that it does not know, and nothing is in force yet.
    """
    unknown = unknown_to(slots, plan, foreign)
    if not unknown and list(plan.tenants) == list(slots):
        return plan
    before = {slot: Tenant(wiring) for slot, wiring in slots.items()} if served is None else served.tenants
    shadows = dict(zip(plan.tenants, plan.shadows, strict=True))
    known = [slot for slot in slots if slot in plan.tenants and slot not in unknown]
    return ServingPlan(
        plan.revision,
        {slot: plan.tenants[slot] if slot in known else before[slot] for slot in slots},
        _owners(plan, [*slots], unknown, served),
        tuple(shadows[slot] if slot in known else 0.0 for slot in slots),
        plan.trials.intersection(known),
    )


def _owners(plan: ServingPlan, slots: list[str], unknown: Mapping[str, Tenant], served: ServingPlan | None) -> Int16:
    number = [NO_VARIANT if variant in unknown else slots.index(variant) for variant in plan.tenants]
    owners = np.array(number, np.int16)[plan.owners]
    lost = owners == NO_VARIANT
    if lost.any():
        if served is None:
            raise ControlError(
                f"by revision {plan.revision} of the control log keys are answered by {', '.join(unknown)}, which this "
                "worker's pipeline file does not have, or with another model; start it with the declared file"
            )
        owners[lost] = served.owners[lost]
    return owners
