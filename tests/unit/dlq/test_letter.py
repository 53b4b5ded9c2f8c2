import numpy as np
import pytest

from streamapp.decode.replayed import first_written_ms
from streamapp.dlq.copy import copy_of, letter_of
from streamapp.dlq.letter import Letter, letters
from streamapp.dlq.place import parse_place
from streamapp.dlq.write import as_json, in_full, text_of
from streamapp.encode import encode_dead_letters
from streamapp.errors import ConfigError
from streamapp.kafka.log_batches import Written
from streamapp.types import Failure, Headers, OutgoingBatch, Place, RecordBatch

SOURCE = Place("payments", 1, 7)


def records(value: bytes | None = b"v", headers: Headers = (), topic: str = "payments") -> RecordBatch:
    return RecordBatch([topic], np.array([1], np.int32), np.array([7]), np.array([1_700]), [b"k"], [value], [headers])


def dead(value: bytes | None = b"v", headers: Headers = ()) -> OutgoingBatch:
    failure = Failure("decode", "out_of_range", "too\x1b[31m far", "distance", "le=1", "2")
    return encode_dead_letters(records(value, headers), {0: failure}, ["id-1"], "dead")


def letter(value: bytes | None = b"v", headers: Headers = (), more: Headers = ()) -> Letter:
    out = dead(value, headers)
    written = RecordBatch(
        ["dead"], out.partitions, np.array([3]), np.array([9_000]), out.keys, out.values, [[*out.headers[0], *more]]
    )
    return next(letters(written))


def test_a_letter_is_the_original_and_its_cause() -> None:
    original = [("__connect.errors.topic", b"of another queue"), ("a", b"\xff"), ("streamapp.errors.code", b"old")]
    found = letter(headers=original)
    assert (found.place, found.source, found.source_ms) == (Place("dead", 1, 3), SOURCE, 1_700)
    assert (found.key, found.value, list(found.headers)) == (b"k", b"v", original)
    assert (found.stage, found.code, found.field, found.id) == ("decode", "out_of_range", "distance", "id-1")
    assert (found.replays, found.omitted, found.failed_key) == (0, False, "payments/1/7@1700")


def test_a_letter_without_its_value_says_so() -> None:
    assert letter(None, more=[("streamapp.value.omitted", b"record_too_large")]).omitted
    assert not letter(None).omitted


def test_a_record_that_is_no_dead_letter_has_no_source() -> None:
    found = next(letters(records(topic="dead")))
    assert (found.source, found.code, found.cause) == (None, "", {})
    broken = [("__connect.errors.topic", b"t"), ("__connect.errors.partition", b"x"), ("__connect.errors.offset", b"1")]
    assert next(letters(records(headers=broken))).source is None


def test_a_copy_says_where_it_comes_from_and_how_often_it_was_sent() -> None:
    first = copy_of(letter(headers=[("a", b"1")]), SOURCE, 4, False, 5)
    assert (first.topic, first.partition, first.key, first.value) == ("payments", 1, b"k", b"v")
    assert (first.timestamp_ms, first.marker_key) == (None, b"payments/1/7@1700")
    assert list(first.headers) == [
        ("a", b"1"),
        ("streamapp.replay.timestamp", b"1700"),
        ("streamapp.replay.of", b"payments/1/7"),
        ("streamapp.replay.letter", b"dead/1/3"),
        ("streamapp.replay.count", b"1"),
        ("streamapp.replay.origin", b"payments/1/7"),
    ]
    again = letter(headers=[*first.headers[:1], ("streamapp.replay.timestamp", b"1600"), *first.headers[2:]])
    assert again.replays == 1
    second = dict(copy_of(again, Place("payments", 1, 99), 4, False, 5).headers)
    assert second["streamapp.replay.count"] == b"2"
    assert second["streamapp.replay.timestamp"] == b"1600"
    assert second["streamapp.replay.of"] == b"payments/1/99"
    assert second["streamapp.replay.origin"] == b"payments/1/7"


@pytest.mark.parametrize("count", [b"9" * 25, b"9" * 5_000, b"-1"])
def test_a_count_that_nobody_wrote_is_none(count: bytes) -> None:
    strange = letter(headers=[("streamapp.replay.count", count)])
    assert strange.replays == 0
    assert b'"replays":0' in as_json(strange, replayed=False)
    assert dict(copy_of(strange, SOURCE, 4, False, 5).headers)["streamapp.replay.count"] == b"1"


def test_a_copy_and_its_marker_name_the_letter() -> None:
    copy = copy_of(letter(), SOURCE, 4, False, 5)
    assert letter_of(Written(copy.key, copy.value, copy.headers)) == "dead/1/3"
    assert letter_of(Written(copy.marker_key, copy.marker_value, [])) == "dead/1/3"
    assert [letter_of(Written(b"k", value, [])) for value in (None, b"{", b"[]", b"{}")] == [None] * 4


def test_a_partition_that_is_gone_leaves_it_to_the_key() -> None:
    assert copy_of(letter(), SOURCE, 1, True, 5).partition is None
    assert copy_of(letter(), SOURCE, 2, True, 5).timestamp_ms == 1_700


def test_a_copy_happened_when_its_original_did() -> None:
    copy = copy_of(letter(), SOURCE, 2, False, 5)
    plain, sent_back = records(), records(headers=copy.headers)
    assert first_written_ms(plain) is plain.timestamps_ms
    sent_back.timestamps_ms[:] = 5_000_000
    assert first_written_ms(sent_back).tolist() == [1_700]
    assert first_written_ms(records(headers=[("streamapp.replay.timestamp", b"9" * 40)])).tolist() == [1_700]
    assert first_written_ms(records(headers=[("streamapp.replay.timestamp", b"9" * 15)])).tolist() == [1_700]


@pytest.mark.parametrize(
    ("written", "place"),
    [("3:17", Place("dead", 3, 17)), ("a.b-c/3/17", Place("a.b-c", 3, 17)), ("3/17", Place("dead", 3, 17))],
)
def test_places(written: str, place: Place) -> None:
    assert parse_place(written, "dead") == place


@pytest.mark.parametrize("written", ["", "3", "a/3", "a/b/3", "a/3/-1", "a b/3/4"])
def test_what_is_no_place(written: str) -> None:
    with pytest.raises(ConfigError, match="is no address"):
        parse_place(written, "dead")


def test_what_would_steer_a_terminal_is_not_text() -> None:
    assert text_of(b'{"a":\n"\xc3\xa9"}') == '{"a":\n"é"}'
    assert text_of(b"\x1b[31m") is text_of(b"\xff") is None
    shown = in_full(letter(b"\x1b[31m\xff"), replayed=False)
    assert "\x1b" not in shown
    assert "value, 6 bytes that are no text:\n1b 5b 33 31 6d ff" in shown
    assert b'"value_hex":"1b5b33316dff"' in as_json(letter(b"\x1b[31m\xff"), replayed=True)
    assert "a tombstone" in in_full(letter(None), replayed=True)
