from msgspec import Raw

from streamapp.act.report import Seen
from streamapp.config.settings import PipelineSettings
from streamapp.control.witness import EvidenceWitness
from streamapp.observe.evidence import CANDIDATE, Evidence, to_document
from streamapp.observe.gather import EvidenceGatherer
from tests.serving_plans import settings


def witness(chosen: PipelineSettings) -> EvidenceWitness:
    return EvidenceWitness(EvidenceGatherer(chosen))


def seen(answered: int) -> Seen:
    evidence = Evidence()
    evidence.add(CANDIDATE, "rewards", [float(answered), 1.0, 1.0])
    evidence.add(CANDIDATE, "labels", answered)
    return Seen(3, Raw(to_document(evidence)))


def test_what_all_workers_saw_adds_up():
    measures, (candidate, champion) = witness(settings()).merged([seen(2), seen(5)])
    assert measures["labels"] == 7
    assert (candidate.count, candidate.total, champion.count) == (7, 2, 0)


def test_what_one_worker_says_in_another_language_is_left_out():
    measures, _ = witness(settings()).merged([seen(2), Seen(3, Raw(b'"of a later version"'))])
    assert measures["labels"] == 2
