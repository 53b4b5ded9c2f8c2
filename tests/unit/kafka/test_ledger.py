import pytest

from streamapp.kafka.ledger import Ledger, OutOfPlace, Partition, Span

P0 = Partition("events", 0)
P1 = Partition("events", 1)


def opened(ledger: Ledger, start: int, stop: int, partition: Partition = P0, generation: int = 1) -> Span:
    span = ledger.open(Span(partition, generation, start, stop))
    assert span is not None
    return span


@pytest.fixture
def ledger() -> Ledger:
    found = Ledger()
    found.assign([P0, P1], 1)
    return found


def test_only_the_contiguous_prefix_is_committable(ledger: Ledger) -> None:
    first, second, third = opened(ledger, 10, 20), opened(ledger, 20, 25), opened(ledger, 25, 40)
    ledger.settle(third)
    ledger.settle(second)
    assert ledger.committable() == {P0: 10}
    ledger.settle(first)
    assert ledger.committable() == {P0: 40}


def test_a_span_of_nothing_may_be_settled_after_what_follows_it(ledger: Ledger) -> None:
    nothing, something = opened(ledger, 0, 0), opened(ledger, 0, 1)
    ledger.settle(something)
    assert ledger.settle(nothing)
    assert ledger.committable() == {P0: 1}


def test_pieces_of_a_span_settle_on_their_own(ledger: Ledger) -> None:
    span = opened(ledger, 0, 10)
    ledger.settle(span.piece(0, 4))
    assert ledger.committable() == {P0: 4}
    ledger.settle(span.piece(7, 10))
    assert ledger.committable() == {P0: 4}
    ledger.settle(span.piece(4, 7))
    assert ledger.committable() == {P0: 10}


def test_a_commit_is_not_repeated(ledger: Ledger) -> None:
    ledger.settle(opened(ledger, 0, 10))
    ledger.committed({P0: 10}, 1)
    assert ledger.committable() == {}


def test_the_start_of_a_partition_is_committable(ledger: Ledger) -> None:
    opened(ledger, 5, 6)
    assert ledger.committable() == {P0: 5}


def test_a_commit_of_an_earlier_generation_does_not_count(ledger: Ledger) -> None:
    ledger.settle(opened(ledger, 0, 10))
    ledger.assign([P0], 2)
    ledger.committed({P0: 10}, 1)
    opened(ledger, 10, 11, generation=2)
    assert ledger.committable() == {P0: 10}


@pytest.mark.parametrize("start", [0, 19, 21])
def test_a_span_out_of_place_is_refused(ledger: Ledger, start: int) -> None:
    opened(ledger, 10, 20)
    with pytest.raises(OutOfPlace) as caught:
        ledger.open(Span(P0, 1, start, 30))
    assert caught.value.expected == 20
    assert ledger.oldest_open() == {P0: 10}


def test_spans_of_a_lost_partition_settle_in_vain(ledger: Ledger) -> None:
    span = opened(ledger, 0, 10)
    ledger.drop([P0])
    assert not ledger.holds(span)
    assert not ledger.settle(span)
    assert ledger.open(Span(P0, 1, 10, 20)) is None
    assert ledger.committable() == {}


def test_spans_of_an_earlier_generation_settle_in_vain(ledger: Ledger) -> None:
    old = opened(ledger, 0, 10)
    ledger.assign([P0], 2)
    new = opened(ledger, 0, 10, generation=2)
    assert not ledger.settle(old)
    assert ledger.open(Span(P0, 1, 10, 20)) is None
    assert ledger.settle(new)
    assert ledger.committable() == {P0: 10}


def test_partitions_do_not_disturb_each_other(ledger: Ledger) -> None:
    opened(ledger, 0, 10, P0)
    ledger.settle(opened(ledger, 3, 9, P1))
    assert ledger.committable() == {P0: 0, P1: 9}
    assert ledger.oldest_open() == {P0: 0}


def test_settling_twice_is_a_bug(ledger: Ledger) -> None:
    span = opened(ledger, 0, 10)
    later = opened(ledger, 10, 20)
    ledger.settle(later)
    with pytest.raises(ValueError, match="not open"):
        ledger.settle(later)
    ledger.settle(span)
    with pytest.raises(ValueError, match="not open"):
        ledger.settle(span.piece(3, 4))


def test_settling_what_was_never_opened_is_a_bug(ledger: Ledger) -> None:
    opened(ledger, 0, 10)
    with pytest.raises(ValueError, match="not open"):
        ledger.settle(Span(P0, 1, 5, 11))


@pytest.mark.parametrize(("start", "stop"), [(-1, 5), (5, 11), (6, 5)])
def test_a_piece_lies_within_its_span(start: int, stop: int) -> None:
    with pytest.raises(ValueError, match="not within"):
        Span(P0, 1, 0, 10).piece(start, stop)


@pytest.mark.parametrize("start", [0, 500])
def test_a_log_that_moved_starts_a_new_page(ledger: Ledger, start: int) -> None:
    before = opened(ledger, 100, 200)
    ledger.committed({P0: 100}, 1)
    span = ledger.restart(Span(P0, 1, start, start + 10))
    assert span is not None
    assert not ledger.settle(before)
    assert ledger.settle(span)
    assert ledger.committable() == {P0: start + 10}
