"""All variants' models, run one after the other over one batch."""

from collections.abc import Callable, Mapping, Sequence, Set

import numpy as np

from streamapp.errors import ContractError, DependencyError, ModelError
from streamapp.infer.faults import shorten
from streamapp.infer.lane import Lane
from streamapp.protocols import Signature
from streamapp.types import EventBatch, Failure, FeatureBlock, ScoreBlock


class ModelInferrer:
    """The `Inferrer`: one lane per variant, in the order of `lanes`. For one thread at a time.

    release: gives back lanes that are somebody else's; they are closed if it is absent. on_broken: told of the variants
    in `trials` (name, reason) whose model is broken, gives the wrong shape or runs out of memory; their rows fail, and
    nothing is raised.
    """

    def __init__(
        self,
        lanes: Mapping[str, Lane],
        release: Callable[[], None] | None = None,
        trials: Set[str] = frozenset(),
        on_broken: Callable[[str, str], object] = lambda name, reason: None,
    ) -> None:
        self._lanes = tuple(lanes.values())
        self._names = tuple(lanes)
        self._trials = trials
        self._on_broken = on_broken
        self._release = release or self._close_lanes
        self._closed = False
        self.signatures: Mapping[str, Signature] = {name: lane.signature for name, lane in lanes.items()}
        """Variant -> what its model takes and gives."""

    def infer(self, events: EventBatch, features: Sequence[FeatureBlock]) -> tuple[ScoreBlock, ...]:
        """One block per variant: rows in, rows out; a bad row is named in its block's failures.

        Raises `ContractError` for a model that gives the wrong shape, `ModelError` for one that is broken or was
        closed, `DependencyError` when memory runs out; none of them for a variant in `trials`.
        """
        if self._closed:
            raise ModelError("models were closed while a batch was still to be scored by them")
        if len(features) != len(self._lanes):
            raise ContractError(f"{len(features)} feature blocks for {len(self._lanes)} variants")
        return tuple(
            self._infer(name, lane, events, block)
            for name, lane, block in zip(self._names, self._lanes, features, strict=True)
        )

    def close(self) -> None:
        """Release the models; again does nothing more."""
        if not self._closed:
            self._closed = True
            self._release()

    def _infer(self, name: str, lane: Lane, events: EventBatch, block: FeatureBlock) -> ScoreBlock:
        try:
            return lane.infer(events, block)
        except (ModelError, DependencyError) as error:
            if name not in self._trials:
                raise
            self._on_broken(name, str(error))
            failure = Failure("infer", "model_error", shorten(str(error)))
            nothing = np.empty((0, len(lane.scores)))
            return ScoreBlock(block.rows[:0], lane.scores, nothing, dict.fromkeys(block.rows.tolist(), failure))

    def _close_lanes(self) -> None:
        for lane in self._lanes:
            lane.close()
