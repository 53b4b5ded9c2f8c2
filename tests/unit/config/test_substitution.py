import pytest

from streamapp.config.substitution import substitute


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("plain $HOME {x}", "plain $HOME {x}"),
        ("${A}", "1"),
        ("${A}-${B}", "1-2"),
        ("${NONE:-x}", "x"),
        ("${NONE:-}", ""),
        ("${EMPTY:-x}", "x"),
        ("${EMPTY}", ""),
        ("$${A}", "${A}"),
        ("${NONE:-a:b}", "a:b"),
    ],
)
def test_references(tmp_path, text, value):
    assert substitute(text, {"A": "1", "B": "2", "EMPTY": ""}, tmp_path) == value


def test_a_value_is_not_substituted_again(tmp_path):
    assert substitute("${A}", {"A": "${B}", "B": "x"}, tmp_path) == "${B}"


def test_a_file_is_read_relative_to_the_pipeline_without_its_last_newline(tmp_path):
    (tmp_path / "secret").write_text("hunter2\n")
    assert substitute("${file:secret}", {}, tmp_path) == "hunter2"
    assert substitute(f"${{file:{tmp_path}/secret}}", {}, tmp_path / "elsewhere") == "hunter2"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("${NONE}", "environment variable NONE is not set\nset it, or give a default: ${NONE:-…}"),
        (
            "${file:absent}",
            "cannot read `file:absent`: No such file or directory\nmake the file readable for this user",
        ),
        ("${A", "`${` without its `}`\nclose it, or write `$${` for a plain `${`"),
        (
            "${A-b}",
            "`${…}` holds no reference\nwrite ${NAME}, ${NAME:-default} or ${file:path}; `$${` is a plain `${`",
        ),
    ],
)
def test_what_cannot_be_resolved(tmp_path, text, message):
    with pytest.raises(ValueError, match=r".") as caught:
        substitute(text, {}, tmp_path)
    assert str(caught.value) == message
