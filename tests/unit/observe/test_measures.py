import numpy as np
import pytest

from streamapp.errors import ControlError
from streamapp.observe.bins import NUMBER_BINS, counted, number_bins
from streamapp.observe.evidence import CANDIDATE, CHAMPION, Evidence, feature_name, from_document
from streamapp.observe.measures import MEASURES, OF_BOTH, OF_EACH, measures, stability


def test_nothing_seen_is_nothing_known():
    assert measures(Evidence()) == {
        "rows": 0,
        "scored_rows": 0,
        "labels": 0,
        "champion_rows": 0,
        "champion_scored_rows": 0,
        "champion_labels": 0,
    }


def test_rates_are_of_the_rows_they_speak_of():
    evidence = Evidence()
    for name, count in (("answered", 90), ("dead_letters", 10), ("scored", 180), ("failed", 20)):
        evidence.add(CANDIDATE, name, count)
    evidence.add(CANDIDATE, "latency", np.eye(160)[40])
    evidence.add(CANDIDATE, "model_time", 180 * np.eye(160)[20])
    found = measures(evidence)
    assert found["rows"] == 100
    assert found["error_rate"] == pytest.approx(0.1)
    assert found["dead_letter_share"] == pytest.approx(0.1)
    assert found["latency_p99_ms"] == pytest.approx(1000 * 1e-4 * 10 ** (41 / 20))
    assert found["model_p99_ms"] == pytest.approx(1000 * 1e-4 * 10 ** (21 / 20))


def test_drift_is_that_of_the_feature_that_moved_most():
    random = np.random.default_rng(3)
    evidence = Evidence()
    for name, shift in (("a", 0.0), ("b", 1.0)):
        for side, by in ((CHAMPION, 0.0), (CANDIDATE, shift)):
            evidence.add(side, feature_name(name), counted(number_bins(random.normal(by, 1, 5_000)), NUMBER_BINS))
    # A shift by one standard deviation: the divergence of two normals, 1, less what ten groups lose.
    assert 0.7 < measures(evidence)["feature_drift"] < 1.1


def test_few_rows_say_nothing_of_stability():
    few = counted(np.arange(99), NUMBER_BINS)
    assert np.isnan(stability(few, few))


def test_every_measure_has_a_champions():
    assert set(MEASURES) == {*OF_EACH, *(f"champion_{name}" for name in OF_EACH), *OF_BOTH}


@pytest.mark.parametrize(
    "document", [b"", b"\xff", b'{"counts": {"candidate": {"rows": [[1], []]}}}', b'{"counts": 1}']
)
def test_what_is_no_evidence_is_named(document):
    with pytest.raises(ControlError, match="not evidence of this version"):
        from_document(document)
