from hypothesis import given
from hypothesis import strategies as st

from streamapp.demo.balance import Answer, Balance, balance
from streamapp.demo.journal import Entry

JOURNAL = [Entry(0, 0, "a", ""), Entry(0, 1, "b", ""), Entry(1, 0, "c", "not JSON"), Entry(1, 1, "d", "")]
PREDICTIONS = [Answer((0, 0), "a"), Answer((0, 1), "b"), Answer((1, 1), "d")]
DEAD_LETTERS = [Answer((1, 0), "c")]


def check(predictions: list[Answer], dead_letters: list[Answer], journal: list[Entry] = JOURNAL) -> Balance:
    return balance(journal, predictions, dead_letters)


def test_everything_in_its_place() -> None:
    result = check(PREDICTIONS, DEAD_LETTERS)
    assert result.holds
    assert (result.events, result.predictions, result.dead_letters, result.repeats) == (4, 3, 1, 0)
    assert result.refused == result.accepted == ()


def test_a_lost_event_is_missing() -> None:
    result = check(PREDICTIONS[1:], DEAD_LETTERS)
    assert not result.holds
    assert result.missing == ((0, 0),)


def test_a_lost_event_is_not_made_up_for_by_a_repeat() -> None:
    result = check([PREDICTIONS[1], *PREDICTIONS[1:]], DEAD_LETTERS)
    assert not result.holds
    assert result.missing == ((0, 0),)
    assert result.repeats == 1


def test_a_repeat_alone_is_what_at_least_once_allows() -> None:
    result = check([*PREDICTIONS, PREDICTIONS[0]], [*DEAD_LETTERS, *DEAD_LETTERS])
    assert result.holds
    assert result.repeats == 2


def test_an_event_cannot_be_answered_and_refused() -> None:
    result = check(PREDICTIONS, [*DEAD_LETTERS, Answer((0, 0), "a")])
    assert not result.holds
    assert result.both == ((0, 0),)


def test_an_answer_to_no_event_is_a_phantom() -> None:
    result = check([*PREDICTIONS, Answer((0, 7), "z")], DEAD_LETTERS)
    assert not result.holds
    assert result.phantoms == ((0, 7),)


def test_an_answer_under_the_neighbours_id_is_mistaken() -> None:
    result = check([Answer((0, 0), "b"), Answer((0, 1), "a"), Answer((1, 1), "d")], DEAD_LETTERS)
    assert not result.holds
    assert result.mistaken == ((0, 0), (0, 1))


def test_the_broker_may_not_give_one_place_to_two_events() -> None:
    result = check(PREDICTIONS, DEAD_LETTERS, [*JOURNAL, Entry(0, 0, "e", "")])
    assert not result.holds
    assert result.mistaken == ((0, 0),)


def test_healthy_among_the_dead_and_broken_among_the_predictions_are_named() -> None:
    result = check([*PREDICTIONS[1:], Answer((1, 0), "c")], [Answer((0, 0), "a")])
    assert result.holds
    assert result.refused == ((0, 0),)
    assert result.accepted == ((1, 0),)


PLACES = st.tuples(st.integers(0, 2), st.integers(0, 30))


@given(st.dictionaries(PLACES, st.booleans(), min_size=1), st.data())
def test_it_holds_exactly_if_every_event_is_answered_in_one_place(
    sent: dict[tuple[int, int], bool], data: st.DataObject
) -> None:
    journal = [Entry(*place, f"{place}", "") for place in sent]
    predictions = [Answer(place, f"{place}") for place, healthy in sent.items() if healthy]
    dead_letters = [Answer(place, f"{place}") for place, healthy in sent.items() if not healthy]
    assert balance(journal, predictions, dead_letters).holds
    answers = predictions or dead_letters
    answers.pop(data.draw(st.integers(0, len(answers) - 1)))
    assert not balance(journal, predictions, dead_letters).holds
