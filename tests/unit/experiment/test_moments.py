import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamapp.errors import ConfigError
from streamapp.experiment.moments import Moments

NUMBERS = st.floats(-1e3, 1e3)
PAIRS = st.lists(st.tuples(NUMBERS, NUMBERS), max_size=40)


def close(left: Moments, right: Moments) -> bool:
    pairs = zip(left.to_dict().values(), right.to_dict().values(), strict=True)
    return all(math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-6) for a, b in pairs)


def one_by_one(pairs: list[tuple[float, float]]) -> Moments:
    found = Moments()
    for value, covariate in pairs:
        found = found.add(value, covariate)
    return found


@given(PAIRS, PAIRS)
def test_merging_is_adding_one_by_one(left: list[tuple[float, float]], right: list[tuple[float, float]]) -> None:
    whole = one_by_one(left + right)
    assert close(one_by_one(left).merge(one_by_one(right)), whole)
    assert close(one_by_one(right).merge(one_by_one(left)), whole)
    assert close(Moments.of([y for y, _ in left + right], [x for _, x in left + right]), whole)


def test_they_are_what_numpy_says() -> None:
    rng = np.random.default_rng(0)
    y, x = rng.normal(1e6, 1, 500), rng.normal(5, 2, 500)
    found = one_by_one(list(zip(y.tolist(), x.tolist(), strict=True)))
    assert found.variance == pytest.approx(y.var(ddof=1), rel=1e-6)
    assert found.xy / 499 == pytest.approx(np.cov(x, y)[0, 1], rel=1e-6)


@given(PAIRS)
def test_a_dictionary_brings_them_back(pairs: list[tuple[float, float]]) -> None:
    found = one_by_one(pairs)
    assert Moments.from_dict(found.to_dict()) == found


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_refused(bad: float) -> None:
    with pytest.raises(ConfigError, match="finite"):
        Moments().add(bad)
    with pytest.raises(ConfigError, match="finite"):
        Moments.of([1.0, bad])
    with pytest.raises(ConfigError, match="finite"):
        Moments.from_dict({**Moments().to_dict(), "mean": bad})


@pytest.mark.parametrize("change", [{"n": -1}, {"n": 1.5}, {"yy": -1.0}, {"more": 1}])
def test_moments_that_cannot_be_are_refused(change: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="moments"):
        Moments.from_dict({**Moments().to_dict(), **change})
