from collections.abc import Callable

import numpy as np

from streamapp.encode.dead_letters import encode_dead_letters, shortened
from streamapp.protocols import Encoder
from streamapp.types import Failure, RecordBatch, ScoredBatch

Scored = Callable[..., ScoredBatch]
Build = Callable[..., Encoder]


def test_a_dead_letter_is_the_record_and_its_cause(scored: Scored, encoder: Build) -> None:
    original = [("a", b"\xff"), ("traceparent", b"00-x"), ("a", b"")]
    out = encoder().dead_letters(scored([(), (), original, (), (), ()]))
    assert (out.topic, out.rows.tolist(), out.partitions.tolist()) == ("dead", [2, 4], [1, 0])
    assert (out.keys, out.values) == ([b"k2", b"\xff"], [b"\x00\xffraw", None])
    assert list(out.headers[0]) == [
        *original,
        ("__connect.errors.topic", b"flights"),
        ("__connect.errors.partition", b"1"),
        ("__connect.errors.offset", b"5"),
        ("__connect.errors.stage", b"decode"),
        ("__connect.errors.exception.class.name", b"streamapp.decode.out_of_range"),
        ("__connect.errors.exception.message", b"field 'delay': breaks le=10"),
        ("streamapp.errors.code", b"out_of_range"),
        ("streamapp.errors.timestamp", b"5"),
        ("streamapp.errors.field", b"delay"),
        ("streamapp.errors.rule", b"le=10"),
        ("streamapp.errors.value", b"11"),
    ]


def test_what_is_not_known_has_no_header(scored: Scored, encoder: Build) -> None:
    out = encoder().dead_letters(scored())
    assert list(out.headers[1])[3:] == [
        ("__connect.errors.stage", b"enrich"),
        ("__connect.errors.exception.class.name", b"streamapp.enrich.stale"),
        ("__connect.errors.exception.message", "é too old".encode()),
        ("streamapp.errors.code", b"stale"),
        ("streamapp.errors.timestamp", b"5"),
        ("streamapp.errors.id", b"e"),
    ]


def test_a_dead_letter_is_shortened_until_what_is_left_fits_whatever_the_original_was() -> None:
    large = "x" * 2_000_000
    forged = [("streamapp.x", large.encode()), ("__connect.errors.topic", b"t"), ("streamapp.value.omitted", b"")]
    one, zero = np.array([1], np.int32), np.array([7], np.int64)
    records = RecordBatch(["payments"], one, zero, zero, [large.encode()], [large.encode()], [forged])
    letters = encode_dead_letters(records, {0: Failure("decode", "bad", large, value=large)}, [large], "dead")
    own = list(letters.headers[0][3:])
    found = []
    while (less := shortened(letters)) is not None:
        letters = less
        found.append((letters.values[0], letters.keys[0], list(letters.headers[0])))
    value, key, cause = ((f"streamapp.{what}.omitted", b"record_too_large") for what in ("value", "key", "cause"))
    assert found[0] == (None, large.encode(), [*forged, *own, value])
    assert found[1] == (None, None, [*own, value, key])
    brief = [header for header in own if len(header[1]) < 100]
    assert found[2:] == [(None, None, [*brief, value, key, cause])]
    assert {name for name, _ in brief} >= {
        "__connect.errors.topic",
        "__connect.errors.partition",
        "streamapp.errors.code",
    }
