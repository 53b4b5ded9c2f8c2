"""A plan that another pipeline file has led to."""

import numpy as np
import pytest

from streamapp.act.commands import DeclaredVariant
from streamapp.buckets import deal
from streamapp.control.overlap import followed, remodelled, unknown_to, with_versions
from streamapp.errors import ControlError
from streamapp.types import ServingPlan, Tenant

SLOTS = {"main": "main", "main-canary": "main"}
SERVED = ServingPlan(1, {"main": Tenant("main"), "main-canary": Tenant("main", "2")}, deal([3, 1]), (0.0, 0.0))
NEWER = ServingPlan(
    7,
    {"extra": Tenant("extra"), "main": Tenant("main", "3"), "main-canary": Tenant("main", "4")},
    deal([2, 1, 1]),
    (0.5, 0.0, 0.25),
    frozenset({"main-canary", "extra"}),
)


def test_what_is_our_own_is_followed_as_it_is():
    assert followed(SERVED, SLOTS, None) is SERVED


def test_keys_of_a_variant_that_we_lack_are_answered_as_before():
    found = followed(NEWER, SLOTS, SERVED)
    assert unknown_to(SLOTS, NEWER) == {"extra": Tenant("extra")}
    assert (found.revision, found.shadows, found.trials) == (7, (0.0, 0.25), {"main-canary"})
    assert found.tenants == {"main": Tenant("main", "3"), "main-canary": Tenant("main", "4")}
    lost = NEWER.owners == 0
    assert np.array_equal(found.owners[lost], SERVED.owners[lost])
    assert np.array_equal(found.owners[~lost], NEWER.owners[~lost] - 1)


def test_so_are_those_of_a_variant_that_is_wired_as_one_that_we_lack():
    wired = ServingPlan(7, {"main": Tenant("main"), "main-canary": Tenant("extra")}, deal([1, 1]), (0.0, 1.0))
    found = followed(wired, SLOTS, SERVED)
    assert unknown_to(SLOTS, wired) == {"main-canary": Tenant("extra")}
    assert found.tenants == SERVED.tenants
    assert found.shadows == (0.0, 0.0)
    assert np.array_equal(found.owners, np.where(wired.owners == 1, SERVED.owners, 0))


def test_so_are_those_of_a_variant_that_has_another_model_in_the_newer_file():
    ours, theirs = ({"main": DeclaredVariant("main", model, "1", 1.0, 0.0)} for model in ("m", "n"))
    plan = ServingPlan(7, {"main": Tenant("main"), "main-canary": Tenant("main", "2")}, deal([3, 1]), (0.0, 0.5))
    foreign = remodelled(theirs, ours)
    assert unknown_to(SLOTS, plan, foreign) == plan.tenants
    found = followed(plan, SLOTS, SERVED, foreign)
    assert (found.tenants, found.shadows) == (SERVED.tenants, (0.0, 0.0))
    assert np.array_equal(found.owners, SERVED.owners)
    with pytest.raises(ControlError, match="or with another model"):
        followed(plan, SLOTS, None, foreign)
    assert (remodelled(ours, ours), remodelled({}, ours)) == (frozenset(), frozenset())


def test_what_is_gone_from_the_newer_file_answers_nobody():
    slots = {"gone": "gone", **SLOTS}
    found = followed(SERVED, slots, None)
    assert list(found.tenants) == ["gone", "main", "main-canary"]
    assert (found.tenants["gone"], found.shadows) == (Tenant("gone"), (0.0, 0.0, 0.0))
    assert np.array_equal(found.owners, SERVED.owners + 1)


def test_without_anything_in_force_it_is_an_error():
    with pytest.raises(ControlError, match="by revision 7 of the control log keys are answered by extra, which this"):
        followed(NEWER, SLOTS, None)


def test_what_another_file_gives_is_named_by_its_version():
    ours, theirs = ({"main": DeclaredVariant("main", "m", version, 1.0, 0.0)} for version in ("1", "2"))
    plan = ServingPlan(1, {"main": Tenant("main"), "main-canary": Tenant("main", "1")}, deal([1, 0]), (0.0, 0.0))
    assert with_versions(plan, theirs, ours).tenants == {
        "main": Tenant("main", "2"),
        "main-canary": Tenant("main", "1"),
    }
    assert with_versions(plan, ours, ours).tenants == plan.tenants
    assert with_versions(plan, {}, ours).tenants == plan.tenants
