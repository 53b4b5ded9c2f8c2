"""All variants' models, run one after the other over one batch."""

from collections.abc import Callable, Mapping, Sequence

from streamapp.errors import ContractError, ModelError
from streamapp.infer.lane import Lane
from streamapp.protocols import Signature
from streamapp.types import EventBatch, FeatureBlock, ScoreBlock


class ModelInferrer:
    """The `Inferrer`: one lane per variant, in the order of `lanes`. For one thread at a time.

    release: gives back lanes that are somebody else's; they are closed if it is absent.
    """

    def __init__(self, lanes: Mapping[str, Lane], release: Callable[[], None] | None = None) -> None:
        self._lanes = tuple(lanes.values())
        self._release = release or self._close_lanes
        self._closed = False
        self.signatures: Mapping[str, Signature] = {name: lane.signature for name, lane in lanes.items()}
        """Variant -> what its model takes and gives."""

    def infer(self, events: EventBatch, features: Sequence[FeatureBlock]) -> tuple[ScoreBlock, ...]:
        """One block per variant: rows in, rows out; a bad row is named in its block's failures.

        Raises `ContractError` for a model that gives the wrong shape, `ModelError` for one that is broken or was
        closed, `DependencyError` when memory runs out.
        """
        if self._closed:
            raise ModelError("models were closed while a batch was still to be scored by them")
        if len(features) != len(self._lanes):
            raise ContractError(f"{len(features)} feature blocks for {len(self._lanes)} variants")
        return tuple(lane.infer(events, block) for lane, block in zip(self._lanes, features, strict=True))

    def close(self) -> None:
        """Release the models; again does nothing more."""
        if not self._closed:
            self._closed = True
            self._release()

    def _close_lanes(self) -> None:
        for lane in self._lanes:
            lane.close()
