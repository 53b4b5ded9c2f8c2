"""What a plan has to say, and the plan that a pipeline file makes."""

from collections.abc import Iterable, Mapping

import numpy as np

from streamapp.buckets import BUCKETS, deal
from streamapp.config.settings import PipelineSettings
from streamapp.config.slots import slots_of
from streamapp.errors import ControlError
from streamapp.types import ServingPlan, Tenant


def declared_plan(settings: PipelineSettings) -> ServingPlan:
    """What the pipeline file says: every variant serves its own artefact, canaries are empty."""
    shares = {slot: settings.variants.get(slot) for slot in slots_of(settings)}
    weights = [0.0 if share is None else share.weight for share in shares.values()]
    shadows = tuple(0.0 if share is None else share.shadow for share in shares.values())
    return ServingPlan(0, {name: Tenant(name) for name in settings.variants}, deal(weights), shadows)


def tenants_by_slot(plan: ServingPlan, settings: PipelineSettings) -> Mapping[str, Tenant]:
    """Every slot of the pipeline -> its tenant, which for an empty slot is the artefact that the pipeline file gives
    for its wiring. Raises `ControlError` for a plan that is not one of this pipeline."""
    slots = slots_of(settings)
    _check_tenants(plan, slots, settings)
    _check_owners(plan, tuple(slots))
    _check_shadows(plan, tuple(slots))
    return {slot: plan.tenants.get(slot, Tenant(wiring)) for slot, wiring in slots.items()}


def _check_tenants(plan: ServingPlan, slots: Mapping[str, str], settings: PipelineSettings) -> None:
    for slot, tenant in plan.tenants.items():
        if slot not in slots:
            raise _refused(plan, f"no variant `{slot}`; the pipeline has {', '.join(slots)}")
        if tenant.wiring not in settings.variants:
            declared = ", ".join(settings.variants)
            raise _refused(
                plan, f"variant `{slot}` is to be wired as `{tenant.wiring}`, but the pipeline file declares {declared}"
            )
    in_order = [slot for slot in slots if slot in plan.tenants]
    if in_order != list(plan.tenants):
        raise _refused(plan, f"its variants are {', '.join(plan.tenants)}: write them as {', '.join(in_order)}")


def _check_owners(plan: ServingPlan, slots: tuple[str, ...]) -> None:
    owners = plan.owners
    if owners.dtype != np.int16 or owners.shape != (BUCKETS,):
        raise _refused(
            plan, f"it says who owns {owners.size} buckets as {owners.dtype}; there are {BUCKETS}, as int16, to own"
        )
    for index in np.unique(owners).tolist():
        if not 0 <= index < len(slots):
            raise _refused(plan, f"buckets are owned by variant number {index} of {len(slots)} ({', '.join(slots)})")
        if slots[index] not in plan.tenants:
            raise _refused(plan, _empty(slots[index], "owns buckets", slots))


def _check_shadows(plan: ServingPlan, slots: tuple[str, ...]) -> None:
    if len(plan.shadows) != len(slots):
        raise _refused(plan, f"it has {len(plan.shadows)} shadow shares for {len(slots)} variants")
    for slot, shadow in zip(slots, plan.shadows, strict=True):
        if not 0 <= shadow <= 1:
            raise _refused(plan, f"variant `{slot}` is to shadow a share of {shadow}; give one from 0 to 1")
        if shadow and slot not in plan.tenants:
            raise _refused(plan, _empty(slot, "is to shadow", slots))


def _empty(slot: str, does: str, slots: Iterable[str]) -> str:
    return f"variant `{slot}` {does} but has no tenant; give it one, or what it has to one of {', '.join(slots)}"


def _refused(plan: ServingPlan, why: str) -> ControlError:
    return ControlError(f"revision {plan.revision} of the control log cannot be served: {why}")
