"""Evidence: bins keep the order, counts add up over workers, measures are what their names say."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from streamapp.observe.bins import NUMBER_BINS, TIME_BINS, counted, number_bins, time_bins, time_quantile
from streamapp.observe.evidence import BOTH, CANDIDATE, CHAMPION, SIZES, Evidence, from_document, merged, to_document
from streamapp.observe.measures import MEASURES, binned_auc, measures, stability
from streamapp.observe.quality import auc

NUMBERS = st.floats(-1e12, 1e12, allow_nan=False)
COUNTS = st.dictionaries(
    st.tuples(st.sampled_from([CANDIDATE, CHAMPION, BOTH]), st.sampled_from([*SIZES, "feature:x"])),
    st.tuples(st.integers(0, 2), st.integers(1, 1000)),
)


def built(counts: dict[tuple[str, str], tuple[int, int]]) -> Evidence:
    evidence = Evidence()
    for (side, name), (place, number) in counts.items():
        numbers = np.zeros(SIZES.get(name, NUMBER_BINS))
        numbers[min(place, len(numbers) - 1)] = number
        evidence.add(side, name, numbers)
    return evidence


def same(a: Evidence, b: Evidence) -> bool:
    names = {(side, name) for each in (a, b) for side, counts in each.counts.items() for name in counts}
    return all(np.array_equal(a.of(*name), b.of(*name)) for name in names)


@given(st.lists(NUMBERS, min_size=2, max_size=50))
def test_bins_keep_the_order_of_numbers(values):
    values = sorted(values)
    bins = number_bins(np.array(values))
    assert (np.diff(bins) >= 0).all()
    assert bins.min() >= 0
    assert bins.max() < NUMBER_BINS


@given(st.lists(st.floats(1e-4, 9e3), min_size=1, max_size=50), st.sampled_from([0.5, 0.99]))
def test_a_quantile_of_times_is_right_within_its_bin(seconds, q):
    counts = counted(time_bins(np.array(seconds)), TIME_BINS)
    exact = float(np.quantile(seconds, q, method="inverted_cdf"))
    assert exact <= time_quantile(counts, q) * 1.0001
    assert time_quantile(counts, q) <= exact * 1.123


@given(COUNTS, COUNTS, COUNTS)
def test_it_does_not_matter_who_is_added_to_whom(a, b, c):
    a, b, c = built(a), built(b), built(c)
    assert same(merged([a, b, c]), merged([c, merged([b, a])]))


@given(COUNTS)
def test_a_document_says_the_same(counts):
    assert same(from_document(to_document(built(counts))), built(counts))


@given(COUNTS, COUNTS)
def test_measures_are_known_and_finite(a, b):
    found = measures(merged([built(a), built(b)]))
    assert found.keys() <= MEASURES.keys()
    assert np.isfinite(list(found.values())).all()


@given(st.lists(st.tuples(st.integers(0, 199), st.booleans()), min_size=2, max_size=60))
def test_the_auc_of_bins_is_that_of_their_scores(rows):
    scores = np.array([(place + 0.5) / 200 for place, _ in rows])
    labels = np.array([float(label) for _, label in rows])
    bins = number_bins(scores)
    found = binned_auc(counted(bins[labels > 0], NUMBER_BINS), counted(bins[labels == 0], NUMBER_BINS))
    exact = auc(scores, labels)
    assert np.isnan(found) == np.isnan(exact)
    assert np.isnan(exact) or abs(found - exact) < 1e-9


@given(st.lists(st.integers(0, NUMBER_BINS - 1), min_size=100, max_size=300))
def test_what_did_not_change_is_stable(bins):
    counts = counted(np.array(bins), NUMBER_BINS)
    assert abs(stability(counts, 3 * counts)) < 0.05
