from streamapp.kafka.ledger import Partition
from streamapp.kafka.places import Places

P0 = Partition("events", 0)


def test_going_on_where_it_was_left_is_no_news() -> None:
    places = Places()
    places.assigned(P0, 1, 100)
    assert places.missed(P0, 1, 100) is None
    places.left(P0, 1, 120)
    assert not places.moved(P0, 1, 120)


def test_a_first_fetch_elsewhere_than_committed_is_noticed_once() -> None:
    places = Places()
    places.assigned(P0, 1, 100)
    assert places.missed(P0, 1, 150) == 100
    assert places.moved(P0, 1, 150)
    places.left(P0, 1, 170)
    assert places.missed(P0, 1, 170) is None


def test_a_log_that_moves_under_way_is_seen() -> None:
    places = Places()
    places.assigned(P0, 1, 100)
    places.left(P0, 1, 120)
    assert places.moved(P0, 1, 0)
    assert places.missed(P0, 1, 0) is None


def test_a_partition_without_a_committed_offset_may_begin_anywhere() -> None:
    places = Places()
    places.assigned(P0, 1, None)
    assert places.missed(P0, 1, 7) is None


def test_a_committed_offset_that_the_broker_forgot_is_remembered() -> None:
    places = Places()
    places.assigned(P0, 1, 100)
    places.committed(P0, 180)
    places.assigned(P0, 2, None)
    assert places.missed(P0, 2, 0) == 180


def test_what_others_committed_meanwhile_counts() -> None:
    places = Places()
    places.committed(P0, 180)
    places.assigned(P0, 4, 500)
    assert places.missed(P0, 4, 500) is None
    assert places.missed(P0, 4, 180) == 500


def test_a_place_of_an_earlier_generation_says_nothing_of_this_one() -> None:
    places = Places()
    places.assigned(P0, 1, 100)
    assert places.missed(P0, 2, 0) is None
