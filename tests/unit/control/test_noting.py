"""When a leader tries again, and what it puts on record."""

from itertools import pairwise

import pytest

from streamapp.act.commands import Aliased, AnyCommand
from streamapp.act.state import Promotion, State
from streamapp.control.fold import Entry
from streamapp.control.noting import LONGEST_PAUSE_S, Noting
from streamapp.errors import PublishError, RegistryUnavailable
from streamapp.testing import ManualClock

PROMOTION = Promotion(id="r1", by="ann", since_ms=0, revision=4, version="2", before="1")
STATE = State(promotions={"fraud": PROMOTION})


class Away:
    """A registry that never answers."""

    def __init__(self) -> None:
        self.asked = 0

    def note(self, model: str, promotion: Promotion) -> str:
        self.asked += 1
        raise RegistryUnavailable("no route to host")


class Writer:
    """Sends commands. lost: how many are not acknowledged first."""

    def __init__(self, lost: int = 0) -> None:
        self.lost = lost
        self.written: list[AnyCommand] = []

    async def send(self, command: AnyCommand) -> Entry:
        self.written.append(command)
        if len(self.written) <= self.lost:
            raise PublishError("no acknowledgement")
        return Entry(len(self.written), 0, command, "")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


def noting(notes, writer: Writer, clock: ManualClock) -> Noting:
    return Noting(notes, writer.send, lambda: {"id": "a", "by": "w1", "at_ms": clock.now_ms()}, clock)


async def test_the_pauses_double_up_to_the_longest(clock):
    away = Away()
    due = noting(away, Writer(), clock)
    tried_s: list[float] = []
    while len(tried_s) < 9:
        await due.once(STATE)
        if away.asked > len(tried_s):
            tried_s.append(clock.monotonic_s())
        clock.advance(1)
    pauses_s = [after - before for before, after in pairwise(tried_s)]
    assert pauses_s == [1, 2, 4, 8, 16, 32, LONGEST_PAUSE_S, LONGEST_PAUSE_S]


async def test_what_a_storage_library_raises_is_tried_again_and_ends_nothing(clock):
    class Odd:
        """Fails once with an error of its own."""

        def __init__(self) -> None:
            self.asked = 0

        def note(self, model: str, promotion: Promotion) -> str:
            self.asked += 1
            if self.asked == 1:
                raise KeyError("LocationConstraint")
            return "champion -> 2, before 1"

    writer = Writer()
    due = noting(Odd(), writer, clock)
    await due.once(STATE)
    clock.advance(1)
    await due.once(STATE)
    said = [(command.settled, command.reason) for command in writer.written if isinstance(command, Aliased)]
    assert said == [
        (False, "not moved: the registry failed: KeyError('LocationConstraint')"),
        (True, "champion -> 2, before 1"),
    ]


async def test_a_record_that_is_not_acknowledged_is_written_again(clock):
    class Done:
        def note(self, model: str, promotion: Promotion) -> str:
            return "champion -> 2, before 1"

    writer = Writer(lost=1)
    due = noting(Done(), writer, clock)
    for _ in range(2):
        await due.once(STATE)
    assert [command for command in writer.written if isinstance(command, Aliased)] == writer.written
    assert len(writer.written) == 2


async def test_that_it_is_away_is_written_once_whoever_leads(clock):
    away, writer = Away(), Writer()
    said = Promotion(id="r1", by="ann", since_ms=0, revision=4, version="2", before="1", reason="not moved: away")
    await noting(away, writer, clock).once(State(promotions={"fraud": said}))
    assert (away.asked, writer.written) == (1, [])


async def test_what_is_settled_is_left_alone(clock):
    away = Away()
    settled = Promotion(id="r1", by="ann", since_ms=0, revision=4, version="2", before="1", settled=True)
    await noting(away, Writer(), clock).once(State(promotions={"fraud": settled}))
    assert away.asked == 0
