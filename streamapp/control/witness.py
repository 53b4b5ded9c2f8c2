"""The evidence that a leader decides on: gathered here, reported, and added up over all workers."""

import logging
from collections.abc import Mapping, Sequence

from msgspec import Raw

from streamapp.act.report import Seen
from streamapp.act.rewards import Rewards
from streamapp.act.state import Rollout, State
from streamapp.errors import ControlError
from streamapp.observe.evidence import CANDIDATE, CHAMPION, Evidence, from_document, merged, to_document
from streamapp.observe.gather import EvidenceGatherer, Watched
from streamapp.observe.measures import MEASURES, measures
from streamapp.types import Variant

log = logging.getLogger(__name__)


class EvidenceWitness:
    """See `streamapp.control.duty.Witness`."""

    known = frozenset(MEASURES)

    def __init__(self, gatherer: EvidenceGatherer) -> None:
        self._gatherer = gatherer

    def begin(self, state: State) -> None:
        """Gather what the rollouts under way need."""
        under_way = {model: each for model, each in state.rollouts.items() if not each.over}
        self._gatherer.watch({model: _watched(state, each) for model, each in under_way.items()})

    def seen(self) -> Mapping[str, Seen]:
        """What this worker has seen, by model."""
        gathered = self._gatherer.evidence()
        return {model: Seen(epoch, Raw(to_document(evidence))) for model, (epoch, evidence) in gathered.items()}

    def merged(self, seen: Sequence[Seen]) -> tuple[Mapping[str, float], tuple[Rewards, Rewards]]:
        """The measures of all workers' evidence, and the rewards of candidate and champion; what cannot be read, as
        from another version of streamapp, is left out."""
        total = merged(evidence for each in seen if (evidence := _read(each)) is not None)
        return measures(total), (_rewards(total, CANDIDATE), _rewards(total, CHAMPION))


def _read(seen: Seen) -> Evidence | None:
    try:
        return from_document(bytes(seen.document))
    except ControlError as error:
        log.warning("a worker's evidence is left out: %s", error)
        return None


def _watched(state: State, rollout: Rollout) -> Watched:
    champion = state.version_of(state.tenants[rollout.stable])
    return Watched(
        rollout.epoch,
        Variant(rollout.candidate, rollout.model, rollout.version),
        Variant(rollout.stable, rollout.model, champion),
    )


def _rewards(evidence: Evidence, side: str) -> Rewards:
    count, total, squares = evidence.of(side, "rewards").tolist()
    return Rewards(count, total, squares)
