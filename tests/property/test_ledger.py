"""The ledger against a naive model that keeps every offset by itself."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, precondition, rule

from streamapp.kafka.ledger import Ledger, OutOfPlace, Partition, Span

PARTITIONS = [Partition("events", 0), Partition("events", 1), Partition("outcomes", 0)]


class Model:
    """One partition in one generation: every offset that was opened, and whether it is settled."""

    def __init__(self, generation: int) -> None:
        self.generation = generation
        self.start: int | None = None
        self.next: int | None = None
        self.settled: set[int] = set()
        self.committed: int | None = None

    def prefix(self) -> int | None:
        if self.start is None:
            return None
        at = self.start
        while at in self.settled:
            at += 1
        return at


class LedgerMachine(RuleBasedStateMachine):
    spans = Bundle("spans")

    def __init__(self) -> None:
        super().__init__()
        self.ledger = Ledger()
        self.held: dict[Partition, Model] = {}
        self.generation = 0

    @rule(partitions=st.sets(st.sampled_from(PARTITIONS)))
    def rebalance(self, partitions: set[Partition]) -> None:
        self.generation += 1
        self.ledger.drop(list(self.held))
        self.ledger.assign(partitions, self.generation)
        self.held = {partition: Model(self.generation) for partition in partitions}

    @precondition(lambda self: self.held)
    @rule(target=spans, data=st.data(), length=st.integers(0, 20), first=st.integers(0, 1000))
    def open(self, data: st.DataObject, length: int, first: int) -> Span:
        partition = data.draw(st.sampled_from(sorted(self.held)))
        model = self.held[partition]
        start = first if model.next is None else model.next
        span = self.ledger.open(Span(partition, self.generation, start, start + length))
        assert span is not None
        if model.start is None:
            model.start = start
        model.next = start + length
        return span

    @precondition(lambda self: any(model.next is not None for model in self.held.values()))
    @rule(data=st.data(), away=st.integers(-50, 50).filter(bool))
    def open_out_of_place(self, data: st.DataObject, away: int) -> None:
        partition = data.draw(st.sampled_from(sorted(p for p, m in self.held.items() if m.next is not None)))
        expected = self.held[partition].next
        assert expected is not None
        with pytest.raises(OutOfPlace) as caught:
            self.ledger.open(Span(partition, self.generation, expected + away, expected + away + 5))
        assert caught.value.expected == expected

    @rule(target=spans, span=consumes(spans), data=st.data())
    def split(self, span: Span, data: st.DataObject) -> object:
        at = data.draw(st.integers(span.start, span.stop))
        return multiple(span.piece(span.start, at), span.piece(at, span.stop))

    @rule(span=consumes(spans))
    def settle(self, span: Span) -> None:
        model = self.held.get(span.partition)
        current = model is not None and model.generation == span.generation
        assert self.ledger.holds(span) == current
        assert self.ledger.settle(span) == current
        if model is not None and current:
            model.settled.update(range(span.start, span.stop))

    @rule(stale=st.booleans())
    def commit(self, stale: bool) -> None:
        offsets = self.ledger.committable()
        self.ledger.committed(offsets, self.generation - stale)
        if not stale:
            for partition, offset in offsets.items():
                self.held[partition].committed = offset

    @invariant()
    def commits_the_settled_prefix_and_nothing_else(self) -> None:
        expected = {}
        for partition, model in self.held.items():
            prefix = model.prefix()
            if prefix is not None and prefix != model.committed:
                expected[partition] = prefix
        assert self.ledger.committable() == expected

    @invariant()
    def names_the_oldest_open_offset(self) -> None:
        expected = {}
        for partition, model in self.held.items():
            prefix = model.prefix()
            if prefix is not None and prefix != model.next:
                expected[partition] = prefix
        assert self.ledger.oldest_open() == expected


LedgerMachine.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestLedger = LedgerMachine.TestCase
