"""The registry's alias after a promotion: moved once, and never over what somebody decided later."""

import hashlib
from pathlib import Path

import pytest

from streamapp.act.state import Promotion
from streamapp.control.registrar import Registrar
from streamapp.errors import IntegrityError, RegistryUnavailable
from streamapp.models import Manifest, Registry
from streamapp.models.manifest import ModelFile
from streamapp.protocols import TensorSpec
from streamapp.testing import ManualClock

BEGAN_MS = 1_700_000_000_500
"""When the rollout was begun: 2023-11-14T22:13:20.5Z."""


@pytest.fixture
def clock() -> ManualClock:
    """An hour before the rollout."""
    return ManualClock(BEGAN_MS - 3_600_000)


@pytest.fixture
def registry(tmp_path: Path, clock: ManualClock) -> Registry:
    """Versions 1, 2, 5 and no alias."""
    found = Registry(tmp_path / "registry", clock)
    (tmp_path / "staged").mkdir()
    (tmp_path / "staged/model.onnx").write_bytes(b"weights")
    file = ModelFile("model.onnx", hashlib.sha256(b"weights").hexdigest(), 7)
    x = TensorSpec("x", "float32", (None, 1))
    for version in ("1", "2", "5"):
        who = {"registered_by": "ana", "registered_at": "2023-01-01T00:00:00Z"}
        found.add(Manifest("fraud", version, "onnx", file.path, (file,), (x,), (x,), **who), tmp_path / "staged")
    return found


def promotion(version: str = "2", before: str = "1", id: str = "r1", since_ms: int = BEGAN_MS) -> Promotion:
    return Promotion(id=id, by="ann", since_ms=since_ms, revision=4, version=version, before=before)


def moves(registry: Registry) -> list[tuple[str, str | None, str]]:
    """Who, from, to."""
    alias = registry.alias("fraud", "champion")
    return [] if alias is None else [(move.who, move.source, move.target) for move in alias.history]


def test_it_moves_and_says_who_did_it(registry, clock):
    registry.point("fraud", "champion", "1", "ana")
    clock.advance(7_200)
    assert Registrar(registry, "champion").note("fraud", promotion()) == "champion -> 2, before 1"
    assert moves(registry) == [("ana", None, "1"), ("ann, r1", "1", "2")]


def test_a_registry_that_is_gone_settles_nothing(registry, tmp_path):
    (tmp_path / "registry").rename(tmp_path / "unmounted")
    with pytest.raises(RegistryUnavailable, match="there is no such folder"):
        Registrar(registry, "champion").note("fraud", promotion())
    (tmp_path / "unmounted").rename(tmp_path / "registry")
    assert Registrar(registry, "champion").note("fraud", promotion()) == "champion -> 2, before nothing"


def test_done_again_it_is_done_once_and_says_the_same(registry, clock):
    registry.point("fraud", "champion", "1", "ana")
    clock.advance(7_200)
    said = {Registrar(registry, "champion").note("fraud", promotion()) for _ in range(3)}
    assert said == {"champion -> 2, before 1"}
    assert len(moves(registry)) == 2


def test_an_alias_that_was_not_there_is_made(registry):
    assert Registrar(registry, "champion-eu").note("fraud", promotion()) == "champion-eu -> 2, before nothing"
    assert registry.resolve("fraud", "champion-eu") == "2"


def test_one_that_is_there_already_is_not_written(registry, clock):
    registry.point("fraud", "champion", "2", "ana")
    assert Registrar(registry, "champion").note("fraud", promotion()) == "champion was 2 already"
    assert moves(registry) == [("ana", None, "2")]


def test_what_was_decided_since_the_rollout_began_stays(registry, clock):
    registry.point("fraud", "champion", "1", "ana")
    clock.advance(3_601)
    registry.point("fraud", "champion", "5", "bob")
    clock.advance(60)
    said = Registrar(registry, "champion").note("fraud", promotion())
    assert said == "champion stays 5: bob moved it at 2023-11-14T22:13:21Z, which is newer"
    assert registry.resolve("fraud", "champion") == "5"


def test_what_was_decided_before_the_rollout_gives_way(registry, clock):
    """Also where nobody has kept the alias at what answered."""
    registry.point("fraud", "champion", "5", "bob")
    clock.advance(3_600)
    assert Registrar(registry, "champion").note("fraud", promotion()) == "champion -> 2, before 5"


def test_a_clock_that_is_ahead_does_not_make_the_last_promotion_a_newer_decision(registry, clock):
    clock.advance(3_600 + 10)
    registry.point("fraud", "champion", "1", "ann, r0")
    assert Registrar(registry, "champion").note("fraud", promotion()) == "champion -> 2, before 1"


def test_what_was_moved_away_after_the_promotion_is_not_moved_again(registry, clock):
    registry.point("fraud", "champion", "1", "ana")
    clock.advance(7_200)
    registrar = Registrar(registry, "champion")
    registrar.note("fraud", promotion())
    registry.point("fraud", "champion", "1", "bob")
    said = registrar.note("fraud", promotion())
    assert said == "champion -> 2, before 1; 1 since: bob moved it at 2023-11-14T23:13:20Z"
    assert registry.resolve("fraud", "champion") == "1"


def test_nor_is_it_where_the_leader_s_clock_is_behind(registry):
    """All its steps look older than the rollout."""
    registry.point("fraud", "champion", "1", "ana")
    registrar = Registrar(registry, "champion")
    registrar.note("fraud", promotion())
    registry.point("fraud", "champion", "5", "bob")
    assert registrar.note("fraud", promotion()).startswith("champion -> 2, before 1; 5 since: bob moved it at")


def test_a_leader_that_slept_does_not_undo_what_was_rolled_out_since(registry, clock):
    """It noted nothing for the deployment of 1, which a person did; then 2 was promoted, and it woke up."""
    registry.point("fraud", "champion", "2", "ana")
    clock.advance(3_601)
    registry.point("fraud", "champion", "1", "ann")
    clock.advance(60)
    later = promotion(since_ms=BEGAN_MS + 30_000, id="r2")
    assert Registrar(registry, "champion").note("fraud", later) == "champion -> 2, before 1"
    stale = Registrar(registry, "champion").note("fraud", promotion("1", "2", "d1"))
    assert stale.startswith("champion stays 2: ann, r2 moved it at")
    assert registry.resolve("fraud", "champion") == "2"


class Overtaken(Registry):
    """Bob is faster than whoever moves an alias."""

    def point(self, model, alias, version, who, provided=None):
        super().point(model, alias, "5", "bob")
        return super().point(model, alias, version, who, provided)


def test_somebody_faster_between_look_and_write_wins(registry, clock, tmp_path):
    registry.point("fraud", "champion", "1", "ana")
    clock.advance(7_200)
    said = Registrar(Overtaken(tmp_path / "registry", clock), "champion").note("fraud", promotion())
    assert said == "champion stays 5: bob moved it at 2023-11-14T23:13:20Z, which is newer"


def test_a_version_that_the_registry_lacks_is_told_and_nothing_moves(registry):
    registry.point("fraud", "champion", "5", "ana")
    said = Registrar(registry, "champion").note("fraud", promotion("file"))
    assert said.startswith("champion stays 5: the registry has no version file of `fraud`")
    assert registry.resolve("fraud", "champion") == "5"
    assert Registrar(registry, "eu").note("fraud", promotion("file")).startswith("eu stays absent: ")


def test_a_damaged_alias_is_an_error(registry, tmp_path):
    registry.point("fraud", "champion", "1", "ana")
    (tmp_path / "registry/fraud/_aliases/champion.json").write_text("{}")
    with pytest.raises(IntegrityError, match="not an alias file"):
        Registrar(registry, "champion").note("fraud", promotion())
