import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamapp.errors import ConfigError
from streamapp.experiment.sample_ratio import Period, SampleRatio, log_ratio

COUNTS = st.fixed_dictionaries({"a": st.integers(0, 10_000), "b": st.integers(0, 10_000)})
HALVES = {"a": 0.5, "b": 0.5}


def test_golden_from_the_predictions_one_by_one() -> None:
    """Polya's urn: the mixture predicts each unit from those before it; the product is the ratio."""
    found, counts = 0.0, [10 * 0.7, 10 * 0.3]
    for variant in [0, 1, 1, 0, 0, 1, 1, 1]:
        found += math.log(counts[variant] / sum(counts)) - math.log([0.7, 0.3][variant])
        counts[variant] += 1
    assert float(log_ratio(np.array([3.0, 5.0]), [7, 3], 10.0)) == pytest.approx(found)


@given(COUNTS, COUNTS)
def test_merging_adds_counts(one: dict[str, int], two: dict[str, int]) -> None:
    merged = SampleRatio((Period(HALVES, one),)).merge(SampleRatio((Period(HALVES, two),)))
    assert merged.periods[0].counts == {name: one[name] + two[name] for name in HALVES}
    assert SampleRatio.from_dict(merged.to_dict()) == merged


def test_periods_with_their_own_weights_are_no_alarm_and_their_sum_would_be() -> None:
    periods = (Period({"a": 9, "b": 1}, {"a": 9_000, "b": 1_000}), Period(HALVES, {"a": 5_000, "b": 5_000}))
    assert not SampleRatio(periods).alarm
    assert SampleRatio((Period(HALVES, {"a": 14_000, "b": 6_000}),)).alarm


def test_one_per_cent_is_found() -> None:
    assert SampleRatio((Period(HALVES, {"a": 202_000, "b": 198_000}),)).alarm
    assert not SampleRatio((Period(HALVES, {"a": 200_300, "b": 199_700}),)).alarm


def test_peeking_after_every_batch_is_within_nominal() -> None:
    rng, runs = np.random.default_rng(5), 2_000
    counts, ever = np.zeros((runs, 2)), np.zeros(runs, bool)
    for _ in range(40):
        counts += rng.multinomial(500, [0.5, 0.5], runs)
        ever |= log_ratio(counts, [0.5, 0.5]) > math.log(100)
    assert ever.mean() <= 0.01


@pytest.mark.parametrize(
    ("weights", "counts"),
    [({}, {}), ({"a": 0.0, "b": 1.0}, {}), ({"a": math.nan}, {}), (HALVES, {"c": 1}), (HALVES, {"a": -1})],
)
def test_periods_that_cannot_be_are_refused(weights: dict[str, float], counts: dict[str, int]) -> None:
    with pytest.raises(ConfigError):
        Period(weights, counts)


def test_other_weights_do_not_merge_and_other_dictionaries_are_refused() -> None:
    with pytest.raises(ConfigError, match="different weights"):
        SampleRatio((Period(HALVES),)).merge(SampleRatio((Period({"a": 1, "b": 2}),)))
    with pytest.raises(ConfigError, match="not a sample ratio"):
        SampleRatio.from_dict({"periods": [{"weights": HALVES}]})
