import subprocess
import sys
from pathlib import Path

import pytest

from streamapp.decode.failures import CODES, failure, shortened

ROOM = Path(__file__).parents[3] / "streamapp" / "decode"
WIRE = Path(__file__).parents[3] / "docs" / "wire.md"


def test_every_code_is_given_somewhere_and_documented() -> None:
    source = "".join(path.read_text(encoding="utf-8") for path in ROOM.glob("*.py") if path.name != "failures.py")
    assert {code for code in CODES if f'"{code}"' not in source} == set()
    assert {code for code in CODES if f"`{code}`" not in WIRE.read_text(encoding="utf-8")} == set()


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (b"abc", "abc"),
        ("a\nb\x00", "a\\nb\\x00"),
        (b"\xff", "\\xff"),
        (1.5, "1.5"),
        (b"x" * 10_000_000, "x" * 79 + "…"),
        ("😀" * 81, "😀" * 79 + "…"),
        ("😀".encode() * 81, "😀" * 79 + "…"),
        ("x" * 80, "x" * 80),
        ("\ud800", "\\ud800"),
    ],
)
def test_values_are_shown_short_and_printable(value: object, shown: str) -> None:
    assert shortened(value) == shown


def test_a_message_names_the_field_and_is_short() -> None:
    said = failure("missing", "m" * 1000, "delay").message
    assert said.startswith("field 'delay': mmm")
    assert len(said) < 350


def test_importing_the_room_loads_no_format_library() -> None:
    code = (
        "import sys, streamapp.decode, streamapp.encode; print({'fastavro', 'simdjson', 'pyarrow'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
