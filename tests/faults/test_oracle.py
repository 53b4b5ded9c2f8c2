"""The oracle's own tests: a clean history passes, and every verdict is provoked by one mutation."""

from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.faults import oracle
from tests.faults.answers import Answer
from tests.faults.events import Place, digest, expected_score, make_event
from tests.faults.journal import Entry
from tests.faults.oracle import History, Snapshot, judge

PARTITIONS = 2


def entry(number: int) -> Entry:
    """Input `number` of a run: six keys over two partitions."""
    event = make_event("p0", f"k{number % 6}", number // 6)
    place = Place("events", number % PARTITIONS, number // PARTITIONS)
    return Entry(place, event.key.encode(), digest(event.value), event.id, expected_score(event.number))


def answer(entry: Entry, offset: int, time_ms: int = 0, topic: str = "predictions") -> Answer:
    at = Place(topic, entry.place.partition, offset)
    if topic != "predictions":
        return Answer(at, entry.place, entry.key, entry.digest, time_ms)
    return Answer(at, entry.place, entry.key, entry.digest, time_ms, entry.id, entry.score)


@st.composite
def clean(draw: st.DrawFn) -> History:
    """Everything answered once, in order, some of it as dead letters; committed up to what was answered."""
    entries = [entry(number) for number in range(draw(st.integers(6, 40)))]
    bad = draw(st.sets(st.sampled_from(range(len(entries))), max_size=3))
    ends = {(topic, n): 0 for topic in ("predictions", "dead") for n in range(PARTITIONS)}
    committed = {("events", n): 0 for n in range(PARTITIONS)}
    answers: list[Answer] = []
    snapshots = []
    cut = draw(st.integers(0, len(entries)))
    for number, one in enumerate(entries):
        if number == cut:
            snapshots.append(Snapshot("kill", 0.0, number, dict(committed), dict(ends)))
        topic = "dead" if number in bad else "predictions"
        home = (topic, one.place.partition)
        answers.append(answer(one, ends[home], number, topic))
        ends[home] += 1
        committed["events", one.place.partition] = one.place.offset + 1
    return History(
        {one.place: one for one in entries},
        {one.digest for one in entries},
        [a for a in answers if a.at.topic == "predictions"],
        [a for a in answers if a.at.topic == "dead"],
        snapshots,
        answers,
        draw(st.booleans()),
    )


histories = clean()


def some(answers: list[Answer], seed: int) -> Answer:
    return Random(seed).choice(answers)


seeds = st.integers(0, 1000)


def again(one: Answer, offset: int = 10_000, time_ms: int = 99) -> Answer:
    return replace(one, at=one.at._replace(offset=offset), timestamp_ms=time_ms)


@given(histories)
def test_a_clean_history_passes(history: History) -> None:
    assert judge(history).findings == {}


@given(histories, seeds)
def test_lost(history: History, seed: int) -> None:
    gone = some(history.answers, seed)
    mutated = replace(
        history,
        predictions=[a for a in history.predictions if a != gone],
        dead_letters=[a for a in history.dead_letters if a != gone],
    )
    verdict = judge(mutated)
    assert len(verdict.findings[oracle.LOST]) == 1
    # And whoever read meanwhile saw it.
    assert verdict.kinds <= {oracle.LOST, oracle.VANISHED, oracle.EARLY_COMMIT}


@given(histories, seeds)
def test_phantom(history: History, seed: int) -> None:
    real = some(history.answers, seed)
    made_up = replace(real, at=Place("predictions", 0, 10_000), place=Place("events", 0, 10_000), digest="made up")
    verdict = judge(replace(history, predictions=[*history.predictions, made_up]))
    assert verdict.kinds == {oracle.PHANTOM}


@given(histories)
def test_what_was_attempted_is_no_phantom(history: History) -> None:
    event = make_event("p0", "later", 0)
    unsure = Answer(Place("predictions", 0, 10_000), Place("events", 0, 10_000), b"later", digest(event.value), 0)
    attempted = {*history.attempted, digest(event.value)}
    assert not judge(replace(history, attempted=attempted, predictions=[*history.predictions, unsure])).findings


@given(histories, seeds)
def test_both_places(history: History, seed: int) -> None:
    one = some([*history.predictions], seed)
    letter = replace(again(one), at=Place("dead", one.at.partition, 10_000), id=None, score=None)
    verdict = judge(replace(history, dead_letters=[*history.dead_letters, letter]))
    assert oracle.BOTH_PLACES in verdict.kinds
    assert verdict.kinds <= {oracle.BOTH_PLACES, oracle.DISORDERED}


@pytest.mark.parametrize("field", ["digest", "key", "id", "score"])
@given(history=histories, seed=seeds)
def test_wrong_payload(field: str, history: History, seed: int) -> None:
    at = Random(seed).randrange(len(history.predictions))
    one = history.predictions[at]
    changed: dict[str, object] = {"digest": "other", "key": b"other", "id": "other", "score": -1.0}
    mutated = [*history.predictions]
    mutated[at] = replace(one, **{field: changed[field]})
    assert oracle.WRONG_PAYLOAD in judge(replace(history, predictions=mutated)).kinds


@given(histories)
def test_order_of_first_answers(history: History) -> None:
    """Two answers of one key change places."""
    pairs = [(a, b) for a in history.predictions for b in history.predictions if a.key == b.key and a.at < b.at]
    if not pairs:
        return
    first, later = pairs[0]
    swapped = {first: replace(first, at=later.at), later: replace(later, at=first.at)}
    mutated = [swapped.get(a, a) for a in history.predictions]
    assert oracle.DISORDERED in judge(replace(history, predictions=mutated)).kinds


@given(histories, seeds)
def test_a_repeat_behind_later_answers_is_not_disorder(history: History, seed: int) -> None:
    mutated = [*history.predictions, again(some([*history.predictions], seed))]
    assert oracle.disordered(mutated) == []


@given(histories, st.integers(1, 5))
def test_repeats_have_a_bound(history: History, times: int) -> None:
    more = [again(history.predictions[0], 10_000 + n) for n in range(times)]
    mutated = replace(history, predictions=[*history.predictions, *more])
    assert oracle.TOO_MANY_REPEATS in judge(mutated).kinds
    excuse = Snapshot("kill", 0.0, 0, {}, {}, in_flight_rows=times)
    verdict = judge(replace(mutated, snapshots=[*mutated.snapshots, excuse]))
    assert (oracle.TOO_MANY_REPEATS in verdict.kinds) == history.exactly_once
    assert verdict.repeats == times


def test_a_repeat_that_only_the_live_reader_saw_counts() -> None:
    one = entry(0)
    first = answer(one, 0)
    history = History({one.place: one}, set(), [first], [], (), [first, first], exactly_once=True)
    assert judge(history).kinds == {oracle.TOO_MANY_REPEATS}


def test_what_was_answered_just_before_is_excused() -> None:
    entries = [entry(number) for number in range(10)]
    answers = [answer(one, n, time_ms=1000 * n) for n, one in enumerate(entries)]
    kill = Snapshot("kill", 0.0, 5000, {}, {}, in_flight_rows=3, uncommitted_s=2.0)
    history = History({one.place: one for one in entries}, set(), answers, [], [kill])
    assert oracle.excused(history) == 3 + 2


@given(histories)
def test_early_commit(history: History) -> None:
    """Committed beyond what was answered at the moment, though it is answered in the end."""
    first = history.answers[0]
    committed = {first.place[:2]: first.place.offset + 1}
    early = Snapshot("kill", 0.0, 0, committed, {})
    assert judge(replace(history, snapshots=[early])).kinds == {oracle.EARLY_COMMIT}
    late = replace(early, ends={first.at[:2]: first.at.offset + 1})
    below = {place for place in history.acknowledged if place[:2] == first.place[:2] and place < first.place}
    assert bool(judge(replace(history, snapshots=[late])).findings) == bool(below)


@given(histories, seeds)
def test_vanished(history: History, seed: int) -> None:
    one = some(history.answers, seed)
    mutated = replace(history, live=[replace(one, at=one.at._replace(offset=10_000))])
    assert judge(mutated).kinds == {oracle.VANISHED}


def test_what_a_case_found_itself_is_in_the_verdict() -> None:
    verdict = judge(History({}, set(), [], []), {"late": ["8 s"], "nothing": []})
    assert verdict.kinds == {"late"}
    assert "late: 1: 8 s" in verdict.explain()
    assert verdict.without("late").findings == {}
