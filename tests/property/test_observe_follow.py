"""What is known of a version goes where the version goes."""

from hypothesis import given
from hypothesis import strategies as st

from streamapp.observe.follow import carried, moves
from streamapp.types import Variant

SERVED = st.lists(st.sampled_from(["1", "2", "3"]), min_size=3, max_size=3).map(
    lambda versions: tuple(Variant(name, "m", version) for name, version in zip("abc", versions, strict=True))
)


@given(SERVED, SERVED)
def test_a_state_goes_to_one_variant_and_only_with_its_version(before, after):
    found = moves(before, after)
    given = [j for j in found if j >= 0]
    assert len(given) == len(set(given))
    for i, j in enumerate(found):
        if j >= 0:
            assert after[i].model_version == before[j].model_version
    for i, variant in enumerate(after):
        if variant == before[i]:
            assert found[i] == i


@given(SERVED, SERVED)
def test_no_version_is_forgotten_that_still_serves(before, after):
    states = carried(before, after, ["s0", "s1", "s2"], lambda i: "new")
    for version in {variant.model_version for variant in after} & {variant.model_version for variant in before}:
        kept = [state for state, variant in zip(states, after, strict=True) if variant.model_version == version]
        assert any(state != "new" for state in kept)
