"""From a plan to what serves: versions fetched, verified, loaded, checked against the pipeline and warmed up."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from streamapp.config.settings import PipelineSettings, VariantSettings
from streamapp.errors import ControlError, ModelLoadError, StreamappError
from streamapp.infer import Lane, ModelInferrer, load_runtime, warm_lane
from streamapp.protocols import ArtefactSource, Serving, Signature
from streamapp.route import HashRouter, Share
from streamapp.serving.plan import tenants_by_slot
from streamapp.serving.stock import LaneKey, LaneStock
from streamapp.types import ServingPlan, Tenant, Variant


class ServingBuilder:
    """Builds what a pipeline serves, and owns every model that it loaded for that.

    A version is loaded once per wiring, whichever variants and servings use it. How a swap goes:
    1. `load` loads what is missing beside what serves; `in_thread` keeps that out of everyone's way.
    2. `build` then takes no time, and does not wait for what is being loaded for others.
    3. `Pipeline.serve` makes the new serving answer from the next batch on, and closes the old one's inferrer once a
       batch of the new one is scored. That closes no model yet.
    4. `retire` closes the models that no open serving and no plan given to it needs: the plan to go back to is given,
       and is served again without loading anything.

    features: declared variant -> what its blocks hold, as `view:feature`. base: where relative model paths start.
    """

    def __init__(
        self,
        settings: PipelineSettings,
        base: Path,
        features: Mapping[str, Sequence[str]],
        source: ArtefactSource | None = None,
    ) -> None:
        self._settings = settings
        self._base = base
        self._features = features
        self._source = source
        self._stock = LaneStock()
        self._broken: dict[LaneKey, str] = {}

    @property
    def loaded(self) -> frozenset[LaneKey]:
        """What is loaded now. Any thread."""
        return self._stock.loaded

    def has(self, tenant: Tenant) -> bool:
        """Whether it is loaded. Any thread."""
        return self._key(tenant) in self._stock.loaded

    def broken(self, tenant: Tenant) -> str:
        """Why its model broke while it was on trial, "" if it did not. Any thread."""
        return self._broken.get(self._key(tenant), "")

    def forgive(self, tenant: Tenant) -> None:
        """It is to be tried again: what it broke from does not count any more. Any thread."""
        self._broken.pop(self._key(tenant), None)

    def load(self, tenant: Tenant) -> None:
        """Load it, to be kept until `retire`. Blocking. Raises like `build`."""
        if tenant.wiring not in self._settings.variants:
            raise ControlError(
                f"no variant `{tenant.wiring}` is declared; there is {', '.join(self._settings.variants)}"
            )
        key = self._key(tenant)
        self._stock.release(self._stock.lease([key], lambda key: self._load(key, key.wiring)))

    def build(self, plan: ServingPlan) -> Serving:
        """What serves by `plan`; its models stay loaded until its inferrer was closed and `retire` called.

        Blocking for as long as fetching and loading take, where something is missing. Raises `ControlError` for a plan
        that is none of this pipeline's, `ModelLoadError` and `ContractError` for a version that cannot serve, and what
        the source raises while it cannot be reached; then nothing has changed.
        """
        tenants = tenants_by_slot(plan, self._settings)
        keys = {slot: self._key(tenant) for slot, tenant in tenants.items()}
        first_slots = {key: slot for slot, key in reversed(keys.items())}
        lanes = self._stock.lease(keys.values(), lambda key: self._load(key, first_slots[key]))
        leased = tuple(lanes)
        return Serving(
            plan.revision,
            tuple(Variant(slot, self._wired(key).model.name, key.version, key.wiring) for slot, key in keys.items()),
            self._router(plan, tuple(tenants)),
            ModelInferrer(
                {slot: lanes[key] for slot, key in keys.items()},
                lambda: self._stock.release(leased),
                self._trials(plan, tuple(keys)),
                lambda slot, reason: self._broken.setdefault(keys[slot], reason),
            ),
        )

    def retire(self, *keep: ServingPlan) -> bool:
        """Close the models that neither a serving that is still open nor a plan of `keep` needs; whether no others are
        left but those of `keep`.

        Blocking for as long as closing takes. Raises `ControlError` for a plan that is none of this pipeline's.
        """
        tenants = [tenant for plan in keep for tenant in tenants_by_slot(plan, self._settings).values()]
        return self._stock.retire({self._key(tenant) for tenant in tenants})

    def close(self) -> None:
        """Close all models; nothing may be scored any more. Waits for no build: one that is under way closes what it
        loaded and fails."""
        self._stock.close()

    def _key(self, tenant: Tenant) -> LaneKey:
        return LaneKey(tenant.wiring, tenant.version or self._settings.variants[tenant.wiring].model.version)

    def _wired(self, key: LaneKey) -> VariantSettings:
        return self._settings.variants[key.wiring]

    def _trials(self, plan: ServingPlan, slots: Sequence[str]) -> frozenset[str]:
        """Variants whose models may break: those that the plan says, and those that answer nobody."""
        answering = {slots[index] for index in np.unique(plan.owners).tolist()}
        return plan.trials | frozenset(slots) - answering

    def _router(self, plan: ServingPlan, slots: Sequence[str]) -> HashRouter:
        salt = self._settings.routing.salt or self._settings.name
        # The table of owners decides; weights are what it was dealt from.
        shares = [Share(slot, 0.0, shadow) for slot, shadow in zip(slots, plan.shadows, strict=True)]
        return HashRouter(salt, shares, plan.owners)

    def _load(self, key: LaneKey, slot: str) -> Lane:
        declared = self._wired(key)
        self._broken.pop(key, None)
        try:
            own = key.version == declared.model.version
            wired, signature = (declared, None) if own else self._fetched(declared, key.version)
            name = key.wiring if own else f"{key.wiring} {key.version}"
            runtime = load_runtime(wired, self._base, signature)
            return warm_lane(name, wired, self._settings.event, runtime, self._features[key.wiring])
        except StreamappError as error:
            what = f"variant `{slot}`, model `{declared.model.name}` version `{key.version}`"
            raise type(error)(f"{what}: {error}") from error

    def _fetched(self, declared: VariantSettings, version: str) -> tuple[VariantSettings, Signature | None]:
        """The same variant with another version of its model, and what that version says its signature is."""
        model = declared.model
        if self._source is None:
            raise ModelLoadError(
                f"the pipeline file gives version `{model.version}`, and there is no registry to fetch another from; "
                "add `control:` with `registry:`"
            )
        artefact = self._source.fetch(model.name, version)
        fetched = {"version": version, "path": artefact.path.absolute(), "sha256": artefact.sha256}
        runtime = artefact.runtime or model.runtime
        wired = declared.model_copy(update={"model": model.model_copy(update={**fetched, "runtime": runtime})})
        return wired, artefact.signature
