"""One variant's way from features to scores, and what happens when its model fails.

A model that raises `InferenceError` on a batch:
1. A probe, one row known to be good, is scored. If that fails too, the model is broken, which no event is to blame
   for: `ModelError`, the worker stops and nothing is acknowledged.
2. Otherwise the batch is bisected: bad rows become failures, the others keep their scores.
3. The probe is the first row this model ever answered: a row of zeros while warming up, or the first healthy row
   of a batch. While there is none, a batch of at least two rows that all fail means a broken model likewise.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from streamapp.clock import SystemClock
from streamapp.config.settings import EventSettings, VariantSettings
from streamapp.errors import ContractError, InferenceError, ModelError
from streamapp.infer.assemble import Plan, compile_plan
from streamapp.infer.bisect import bisect
from streamapp.infer.contract import check_contract
from streamapp.infer.faults import shorten
from streamapp.infer.outputs import not_finite, take_scores
from streamapp.infer.sources import Offer
from streamapp.protocols import Clock, Runtime, Signature
from streamapp.types import Array, EventBatch, Failure, FeatureBlock, Float64, ScoreBlock

_WARM_UP_ROWS = (1, 256)


class Lane:
    """A variant's model with its inputs wired up. Not for use by two threads at once."""

    def __init__(
        self, name: str, variant: VariantSettings, event: EventSettings, runtime: Runtime, clock: Clock | None = None
    ) -> None:
        self._name = name
        self._variant = variant
        self._event = event
        self._runtime = runtime
        self._clock = clock or SystemClock()
        self._names = tuple(variant.outputs)
        self._plan: Plan | None = None
        self._probe: Mapping[str, Array] | None = None

    @property
    def signature(self) -> Signature:
        """The model's."""
        return self._runtime.signature

    @property
    def scores(self) -> tuple[str, ...]:
        """Names of what it gives per row."""
        return self._names

    def warm_up(self, features: tuple[str, ...]) -> None:
        """Score zeros once as one row and once as many, so that the first batch finds the model ready.

        A model may refuse zeros; what it gives must have the right shape. Raises `ContractError`.
        """
        plan = self._planned(features)
        try:
            for rows in _WARM_UP_ROWS:
                self._score(plan.zeros(rows), rows)
        except InferenceError:
            return
        self._probe = plan.zeros(1)

    def infer(self, events: EventBatch, block: FeatureBlock) -> ScoreBlock:
        """Score the block's rows. Raises `ContractError`, `ModelError`, `DependencyError`."""
        began_s = self._clock.monotonic_s()
        scored = self._infer(events, block)
        return replace(scored, seconds=self._clock.monotonic_s() - began_s)

    def _infer(self, events: EventBatch, block: FeatureBlock) -> ScoreBlock:
        m = len(block.rows)
        if m == 0:
            return ScoreBlock(block.rows, self._names, np.empty((0, len(self._names))))
        inputs = self._planned(block.names).assemble(events, block)
        try:
            values = self._score(inputs, m)
            failures: dict[int, Failure] = {}
        except InferenceError as error:
            values, failures = self._isolate(inputs, m, error)
        return self._block(block, values, failures, inputs)

    def close(self) -> None:
        """Free the model."""
        self._runtime.close()

    def _planned(self, features: tuple[str, ...]) -> Plan:
        plan = self._plan
        if plan is None or plan.features != features:
            check_contract(self._name, self._variant, self.signature, self._event, features)
            offer = Offer(self._event, features)
            plan = self._plan = compile_plan(self._variant.inputs, self.signature, offer, features)
        return plan

    def _score(self, inputs: Mapping[str, Array], m: int) -> Float64:
        try:
            return take_scores(self._runtime.infer(inputs), self._variant.outputs, m)
        except ContractError as error:
            raise ContractError(f"variant `{self._name}`: {error}") from error

    def _isolate(
        self, inputs: Mapping[str, Array], m: int, error: InferenceError
    ) -> tuple[Float64, dict[int, Failure]]:
        """Scores with the bad rows left NaN, and place -> failure."""
        self._check_probe(error)

        def attempt(start: int, stop: int) -> Float64:
            return self._score({name: values[start:stop] for name, values in inputs.items()}, stop - start)

        good, bad = bisect(m, attempt, failed=m > 1)
        if self._probe is None and not good and m > 1:
            raise ModelError(
                f"variant `{self._name}`: the model never answered a row and fails for all {m} of this batch: {error}"
            ) from error
        values = np.full((m, len(self._names)), np.nan)
        for start, stop, part in good:
            values[start:stop] = part
        failures = {place: Failure("infer", "model_error", shorten(str(cause))) for place, cause in bad.items()}
        return values, failures

    def _check_probe(self, error: InferenceError) -> None:
        if self._probe is None:
            return
        try:
            self._score(self._probe, 1)
        except InferenceError as again:
            raise ModelError(
                f"variant `{self._name}`: the model fails even for a row that it answered before: {again}"
            ) from error

    def _block(
        self, block: FeatureBlock, values: Float64, failed: dict[int, Failure], inputs: Mapping[str, Array]
    ) -> ScoreBlock:
        for place, failure in not_finite(values, self._names).items():
            failed.setdefault(place, failure)
        if self._probe is None:
            self._remember(inputs, len(values), failed)
        if not failed:
            return ScoreBlock(block.rows, self._names, values)
        healthy = np.ones(len(values), bool)
        healthy[list(failed)] = False
        failures = {int(block.rows[place]): failed[place] for place in sorted(failed)}
        return ScoreBlock(block.rows[healthy], self._names, values[healthy], failures)

    def _remember(self, inputs: Mapping[str, Array], m: int, failed: Mapping[int, Failure]) -> None:
        place = next((place for place in range(m) if place not in failed), None)
        if place is not None:
            self._probe = {name: values[place : place + 1].copy() for name, values in inputs.items()}
