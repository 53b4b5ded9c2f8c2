"""The verdict over a case: pure functions of what was fed, read, and committed at each disturbance."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field

from tests.faults.answers import Answer
from tests.faults.events import Place
from tests.faults.journal import Entry

LOST = "lost"
PHANTOM = "phantom"
BOTH_PLACES = "both places"
WRONG_PAYLOAD = "wrong payload"
DISORDERED = "disordered"
EARLY_COMMIT = "early commit"
TOO_MANY_REPEATS = "too many repeats"
VANISHED = "vanished"
STUCK = "stuck"

Numbered = tuple[str, int]
"""Topic and partition number."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The broker's view at a disturbance: input partition -> committed offset, output partition -> end offset, the
    ends looked up right after the commits. at_s is monotonic, at_ms the wall clock.

    At least once, the disturbance excuses `in_flight_rows` repeats and one for each answer that was written in the
    `uncommitted_s` seconds before it.
    """

    what: str
    at_s: float
    at_ms: int
    committed: Mapping[Numbered, int]
    ends: Mapping[Numbered, int]
    in_flight_rows: int = 0
    uncommitted_s: float = 0.0


@dataclass(frozen=True, slots=True)
class History:
    """Everything that is known of a case. `live` is what a reader saw meanwhile, in the order of its arrival."""

    acknowledged: Mapping[Place, Entry]
    attempted: Set[str]
    predictions: Sequence[Answer]
    dead_letters: Sequence[Answer]
    snapshots: Sequence[Snapshot] = ()
    live: Sequence[Answer] = ()
    exactly_once: bool = False

    @property
    def answers(self) -> list[Answer]:
        return [*self.predictions, *self.dead_letters]


@dataclass(frozen=True, slots=True)
class Verdict:
    """Kind of failure -> what was found; nothing for a clean case. repeats and bound: duplicates and their limit."""

    events: int
    findings: Mapping[str, Sequence[str]]
    repeats: int = 0
    bound: int = 0
    figures: Mapping[str, float] = field(default_factory=dict)

    @property
    def kinds(self) -> set[str]:
        return set(self.findings)

    def explain(self) -> str:
        """A line per kind of failure, with its count and the first few."""
        lines = [f"{kind}: {len(found)}: {', '.join(found[:5])}" for kind, found in self.findings.items()]
        return "\n".join([f"{self.events} events, {self.repeats} repeats (bound {self.bound})", *lines])


def judge(history: History, extra: Mapping[str, Sequence[str]] | None = None) -> Verdict:
    """What is wrong with `history`; `extra` are findings that a case made itself."""
    live_repeats = repeats(history.live)
    repeated = max(repeats(history.predictions) + repeats(history.dead_letters), live_repeats)
    bound = 0 if history.exactly_once else excused(history)
    found: dict[str, Iterable[str]] = {
        LOST: map(_named, lost(history)),
        PHANTOM: map(_answered, phantoms(history)),
        BOTH_PLACES: map(_named, both_places(history)),
        WRONG_PAYLOAD: map(_answered, wrong(history)),
        DISORDERED: map(_answered, [*disordered(history.predictions), *disordered(history.dead_letters)]),
        EARLY_COMMIT: early_commits(history),
        TOO_MANY_REPEATS: [f"{repeated} repeats, {bound} allowed"] if repeated > bound else [],
        VANISHED: map(_answered, vanished(history)),
        **(extra or {}),
    }
    listed = {kind: list(names) for kind, names in found.items()}
    return Verdict(len(history.acknowledged), {kind: names for kind, names in listed.items() if names}, repeated, bound)


def lost(history: History) -> list[Place]:
    """Acknowledged and answered nowhere."""
    answered = {answer.place for answer in history.answers}
    return sorted(place for place in history.acknowledged if place not in answered)


def phantoms(history: History) -> list[Answer]:
    """Answers to what nobody sent: neither acknowledged at that place nor attempted with that payload."""
    return [
        answer
        for answer in history.answers
        if answer.place not in history.acknowledged and answer.digest not in history.attempted
    ]


def both_places(history: History) -> list[Place]:
    """Answered with a prediction and with a dead letter."""
    letters = {answer.place for answer in history.dead_letters}
    return sorted({answer.place for answer in history.predictions} & letters)


def wrong(history: History) -> list[Answer]:
    """Answers with another payload, key, id or score than the input at their place has."""
    found = []
    for answer in history.answers:
        entry = history.acknowledged.get(answer.place)
        if entry is not None and not _fits(answer, entry):
            found.append(answer)
    return found


def disordered(answers: Sequence[Answer]) -> list[Answer]:
    """First answers that stand behind the answer to a later input of the same key. `answers` of one topic."""
    last: dict[tuple[bytes | None, Numbered], int] = {}
    seen: set[Place] = set()
    found = []
    for answer in sorted(answers, key=lambda answer: answer.at):
        if answer.place in seen:
            continue
        seen.add(answer.place)
        line = (answer.key, answer.place[:2])
        if answer.place.offset < last.get(line, -1):
            found.append(answer)
        last[line] = max(answer.place.offset, last.get(line, -1))
    return found


def repeats(answers: Sequence[Answer]) -> int:
    """How many answers would not be missed."""
    return sum(times - 1 for times in Counter(answer.place for answer in answers).values())


def excused(history: History) -> int:
    """Most repeats that delivery at least once may show after the disturbances."""
    times_ms = [answer.timestamp_ms for answer in history.answers]
    return sum(
        snapshot.in_flight_rows
        + sum(snapshot.at_ms - snapshot.uncommitted_s * 1000 <= time_ms < snapshot.at_ms for time_ms in times_ms)
        for snapshot in history.snapshots
    )


def early_commits(history: History) -> list[str]:
    """Inputs below the committed offset of a disturbance whose answer could not be read then."""
    standing: defaultdict[Place, list[Place]] = defaultdict(list)
    for answer in history.answers:
        standing[answer.place].append(answer.at)
    found = []
    for snapshot in history.snapshots:
        found += [
            f"{_named(place)} at {snapshot.what}"
            for place in history.acknowledged
            if place.offset < snapshot.committed.get(place[:2], 0)
            and not any(at.offset < snapshot.ends.get(at[:2], 0) for at in standing[place])
        ]
    return found


def vanished(history: History) -> list[Answer]:
    """What the live reader saw and the final one did not: it was told something that was taken back."""
    final = {answer.at for answer in history.answers}
    return [answer for answer in history.live if answer.at not in final]


def _fits(answer: Answer, entry: Entry) -> bool:
    if answer.digest != entry.digest or answer.key != entry.key:
        return False
    if entry.id is not None and answer.id is not None and answer.id != entry.id:
        return False
    return entry.score is None or answer.score is None or answer.score == entry.score


def _named(place: Place) -> str:
    return f"{place.topic}/{place.partition}/{place.offset}"


def _answered(answer: Answer) -> str:
    return f"{_named(answer.place)} at {_named(answer.at)}"
