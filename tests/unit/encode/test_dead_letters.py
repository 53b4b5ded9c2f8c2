from collections.abc import Callable

from streamapp.protocols import Encoder
from streamapp.types import ScoredBatch

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
