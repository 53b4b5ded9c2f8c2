"""How a row fails in decode: a closed set of codes, and values shortened for display."""

from streamapp.types import Failure

STAGE = "decode"
SHOWN_CHARACTERS = 80
SAID_CHARACTERS = 300

CODES = frozenset(
    {
        "empty",
        "not_json",
        "not_avro",
        "not_an_object",
        "duplicate_key",
        "missing",
        "wrong_type",
        "out_of_range",
        "not_allowed",
        "too_short",
        "too_long",
        "not_finite",
        "bad_time",
        "bad_vector",
    }
)
"""Every code that this stage gives; documented in docs/wire.md."""


def failure(code: str, message: str, field: str = "", rule: str = "", value: str = "") -> Failure:
    """A failure of this stage; `field` opens the message where there is one."""
    message = message[:SAID_CHARACTERS]
    return Failure(STAGE, code, f"field {field!r}: {message}" if field else message, field, rule, value)


def shortened(value: object) -> str:
    """`value` as text of at most `SHOWN_CHARACTERS` printable characters; bytes are read as UTF-8 where they are."""
    if isinstance(value, (bytes, bytearray, memoryview)):
        # No character takes more than four bytes, so a 10 MB value is never decoded whole.
        text = bytes(value[: 4 * SHOWN_CHARACTERS + 4]).decode("utf-8", "backslashreplace")
    elif isinstance(value, str):
        text = value[: SHOWN_CHARACTERS + 1]
    else:
        text = repr(value)
    text = text[: SHOWN_CHARACTERS + 1]
    text = "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
    return text if len(text) <= SHOWN_CHARACTERS else text[: SHOWN_CHARACTERS - 1] + "…"
