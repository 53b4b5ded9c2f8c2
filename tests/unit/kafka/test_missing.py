from streamapp.kafka.missing import ALARM_AT_ANSWER, MissingTopics


def test_a_topic_is_missing_once_enough_answers_were_without_it() -> None:
    missing = MissingTopics()
    said = [missing.look({"events"}, float(answer)) for answer in range(1, ALARM_AT_ANSWER + 2)]
    assert said == [*[[]] * (ALARM_AT_ANSWER - 1), ["events"], []]


def test_a_broker_that_does_not_answer_is_not_one_without_the_topic() -> None:
    missing = MissingTopics()
    assert not any(missing.look({"events"}, 0.0) for _ in range(10))
    assert not any(missing.look({"events"}, 7.0) for _ in range(10))


def test_one_that_was_back_meanwhile_is_counted_anew() -> None:
    missing = MissingTopics()
    topics = [{"events"}] * (ALARM_AT_ANSWER - 1) + [set()] + [{"events"}] * (ALARM_AT_ANSWER - 1)
    assert not any(missing.look(absent, float(answer)) for answer, absent in enumerate(topics, 1))
