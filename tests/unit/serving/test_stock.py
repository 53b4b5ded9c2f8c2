"""Leases, where the builder's tests do not look."""

import threading

import pytest

from streamapp.errors import ModelLoadError
from streamapp.infer import Lane
from streamapp.serving.stock import LaneKey, LaneStock
from tests.counted_runtime import OPEN, Constant
from tests.serving_plans import settings

GOOD, BAD = LaneKey("main", "1"), LaneKey("main", "2")
LIMIT_S = 10


def lane() -> Lane:
    chosen = settings()
    return Lane("main", chosen.variants["main"], chosen.event, Constant("m-1", 1.0))


def test_what_somebody_leased_meanwhile_outlives_the_load_that_failed() -> None:
    stock = LaneStock()

    def load(key: LaneKey) -> Lane:
        if key == GOOD:
            return lane()
        other = threading.Thread(target=stock.lease, args=([GOOD], load), daemon=True)
        other.start()
        other.join(LIMIT_S)
        raise ModelLoadError("broken")

    with pytest.raises(ModelLoadError, match="broken"):
        stock.lease([GOOD, BAD], load)
    assert (stock.loaded, OPEN["m-1"]) == ({GOOD}, 1)
    stock.release([GOOD])
    stock.retire(())
    assert (stock.loaded, OPEN["m-1"]) == (frozenset(), 0)


def test_what_is_wanted_twice_is_leased_once() -> None:
    stock = LaneStock()
    first = stock.lease([GOOD, GOOD], lambda key: lane())
    again = stock.lease([GOOD, GOOD], lambda key: lane())
    assert first[GOOD] is again[GOOD]
    for count in (1, 0):
        stock.release(first)
        stock.retire(())
        assert OPEN["m-1"] == count


def test_a_model_that_cannot_be_closed_keeps_no_other_open() -> None:
    stock = LaneStock()

    class Stubborn(Constant):
        def close(self) -> None:
            super().close()
            raise RuntimeError("stubborn")

    def load(key: LaneKey) -> Lane:
        chosen = settings()
        return Lane("main", chosen.variants["main"], chosen.event, Stubborn("m-1", 1.0))

    stock.lease([GOOD, BAD], load)
    with pytest.raises(RuntimeError, match="stubborn"):
        stock.close()
    assert OPEN["m-1"] == 0
