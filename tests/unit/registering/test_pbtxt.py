from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamapp.registering.pbtxt import parse


def test_the_forms_of_the_text_format():
    text = """
    name: "a \\"b\\"" 'c'  # comment
    size: -3, ratio: 1.5e3f; hex: 0x10
    kind: KIND_CPU
    dims: [ 1, -1 ]  dims: 7
    list [ { x: 1 }, < x: 2 > ]
    empty: [ ]
    """
    assert parse(text) == {
        "name": ['a "b"c'],
        "size": [-3],
        "ratio": [1500.0],
        "hex": [16],
        "kind": ["KIND_CPU"],
        "dims": [1, -1, 7],
        "list": [{"x": [1]}, {"x": [2]}],
        "empty": [],
    }


@pytest.mark.parametrize("text", ["a", "a:", "a: {", "a: ]", "a [", '"a": 1', "a 1", "}", "a: {]", "a: '\n'"])
def test_what_is_not_the_text_format(text):
    with pytest.raises(ValueError, match=r"expected|no text-format"):
        parse(text)


@given(st.text(alphabet="ab:{}[]<>,;\"'\\# 0-.x\n", max_size=40))
def test_any_text_is_parsed_or_refused(text):
    with suppress(ValueError):
        assert isinstance(parse(text), dict)
