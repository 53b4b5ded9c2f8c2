"""Letters for people and for machines."""

from typing import Any

import orjson

from streamapp.dlq.letter import Letter
from streamapp.plain import iso, safe

HEX_BYTES = 512
"""A value that is no text is shown up to here."""


def text_of(value: bytes | None) -> str | None:
    """The value where it is printable UTF-8, which a terminal can take as it is."""
    if value is None:
        return None
    try:
        text = value.decode("utf-8")
    except UnicodeDecodeError:
        return None
    return text if all(c.isprintable() or c in "\n\r\t" for c in text) else None


def as_json(letter: Letter, replayed: bool) -> bytes:
    """One JSON object. A value that is no text is in `value_hex`."""
    found: dict[str, Any] = {
        "letter": str(letter.place),
        "source": None if letter.source is None else str(letter.source),
        "written_at": iso(letter.written_ms),
        "stage": letter.stage,
        "code": letter.code,
        "field": letter.field,
        "id": letter.id,
        "message": letter.message,
        "replays": letter.replays,
        "replayed": replayed,
        "cause": dict(letter.cause),
        "headers": [[name, _text_or_hex(value)] for name, value in letter.headers],
        **_named("key", letter.key),
        **_named("value", letter.value),
    }
    return orjson.dumps(found)


def in_full(letter: Letter, replayed: bool) -> str:
    """Everything there is, in lines."""
    lines = [
        ("letter", str(letter.place)),
        ("written", iso(letter.written_ms)),
        ("event", "unknown" if letter.source is None else str(letter.source)),
        ("event written", "unknown" if letter.source_ms is None else iso(letter.source_ms)),
        ("sent back before", str(letter.replays)),
        ("sent back since", "yes" if replayed else "no"),
        *letter.cause.items(),
        *[(f"header {name}", _text_or_hex(value)) for name, value in letter.headers],
        ("key", "none" if letter.key is None else _text_or_hex(letter.key)),
    ]
    width = max(len(name) for name, _ in lines)
    head = "\n".join(f"{safe(name):{width}}  {safe(value)}" for name, value in lines)
    return f"{head}\n\n{_value(letter)}"


def _value(letter: Letter) -> str:
    if letter.omitted:
        return "the value was left out, as the letter was larger than the broker accepts"
    if letter.value is None:
        return "no value (a tombstone)"
    text = text_of(letter.value)
    size = len(letter.value)
    if text is not None:
        return f"value, {size} bytes:\n{text}"
    rows = [letter.value[at : at + 32].hex(" ") for at in range(0, min(size, HEX_BYTES), 32)]
    more = f"\n… {size - HEX_BYTES} more bytes" if size > HEX_BYTES else ""
    return f"value, {size} bytes that are no text:\n" + "\n".join(rows) + more


def _named(name: str, value: bytes | None) -> dict[str, str | None]:
    text = text_of(value)
    return {name: text} if value is None or text is not None else {f"{name}_hex": value.hex()}


def _text_or_hex(value: bytes) -> str:
    text = text_of(value)
    return value.hex(" ") if text is None else text
