import pytest

from streamapp.config.document import Document, compose, values
from streamapp.config.problems import Place, dotted, nearest


def read(text: str):
    document = compose(text, "x.yaml")
    assert isinstance(document, Document)
    return values(document, lambda value: value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"), ("on", "on"), ("NO", "NO"), ("true", True), ("False", False), ("~", None), ("", None),
        ("12", 12), ("-3", -3), ("0x1F", 31), ("010", 10), ("1e-3", 0.001), ("1.5", 1.5), (".5", 0.5),
        ("-.inf", -float("inf")),
        ("12:30", "12:30"), ("2026-01-01", "2026-01-01"), ('"12"', "12"), ("1_000", "1_000"), ("=", "="),
    ],
)  # fmt: skip
def test_scalars_follow_the_core_schema(text, value):
    assert read(f"a: {text}\n") == ({"a": value}, [])


def test_nan_is_a_number():
    (tree, _) = read("a: .nan")
    assert isinstance(tree["a"], float)
    assert tree["a"] != tree["a"]


def test_keys_are_text():
    assert read("2013: a\ntrue: b\n")[0] == {"2013": "a", "true": "b"}


def test_anchors_and_merges_with_own_keys_first():
    tree, problems = read("base: &b {a: 1, b: 2}\nx: {<<: *b, b: 3}\ny: *b\nz: {<<: [*b, {c: 4}]}\n")
    assert problems == []
    assert tree["x"] == {"a": 1, "b": 3}
    assert tree["y"] == {"a": 1, "b": 2}
    assert tree["z"] == {"a": 1, "b": 2, "c": 4}


def test_an_alias_that_contains_itself_ends():
    _, problems = read("a: &a\n  b: *a\n")
    assert [problem.message for problem in problems] == ["an alias that contains itself"]


def test_tags_and_complex_keys_are_refused():
    _, problems = read("a: !!python/object:os.system {}\nb: !secret x\n[1, 2]: c\n")
    messages = [problem.message for problem in problems]
    assert messages == ["a key must be a single word", "a tag is not supported"]


def test_places_count_from_one_and_fall_back_to_what_is_there():
    document = compose("a:\n  b: [x, y]\n  c:\n    d: 1\n", "x.yaml")
    assert isinstance(document, Document)
    assert document.place(("a", "b", 1)) == Place(2, 10)
    assert document.place(("a", "c")) == Place(3, 3)
    assert document.place(("a", "c", "d")) == Place(4, 8)
    assert document.place(("a", "c", "d"), key=True) == Place(4, 5)
    assert document.place(("a", "c", "absent", "x")) == Place(3, 3)
    assert document.place(("absent",)) == Place(1, 1)


def test_paths_read_as_written():
    assert dotted(("features", "views", 0, "max_age_s")) == "features.views[0].max_age_s"


def test_the_nearest_word_ignores_case_and_gives_up_when_far():
    assert nearest("Topics", ["topic", "format"]) == "topic"
    assert nearest("zzz", ["topic"]) is None
