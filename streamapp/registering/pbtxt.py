"""Protobuf's text format, as far as `config.pbtxt` of a model repository needs it.

Grammar: protobuf.dev/reference/protobuf/textformat-spec. A message becomes field name -> its values in order; a
value is a message, a text (strings and enum names) or a number.
"""

import re
from collections.abc import Iterator
from typing import Union

Value = Union[str, int, float, "Message"]
Message = dict[str, list[Value]]

_TOKEN = re.compile(
    r"""(?P<space>[\s,;]+|\#[^\n]*)|(?P<string>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')"""
    r"""|(?P<number>[-+]?(?:0[xX][0-9a-fA-F]+|\d+\.?\d*(?:[eE][-+]?\d+)?|\.\d+)f?(?![A-Za-z_]))"""
    r"""|(?P<name>-?[A-Za-z_][A-Za-z0-9_.]*)|(?P<mark>[:{}<>\[\]])"""
)
_MAX_DEPTH = 32
_CLOSING = {"{": "}", "<": ">"}


def parse(text: str) -> Message:
    """Raises ValueError that says what is wrong."""
    reader = _Reader(_tokens(text))
    return reader.message("", 0)


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    position = 0
    while position < len(text):
        found = _TOKEN.match(text, position)
        if found is None:
            line = text.count("\n", 0, position) + 1
            raise ValueError(f"line {line}: {text[position : position + 20]!r} is no text-format protobuf")
        position = found.end()
        if found.lastgroup and found.lastgroup != "space":
            yield found.lastgroup, found[0]
    yield "end", ""


class _Reader:
    """One token ahead."""

    def __init__(self, tokens: Iterator[tuple[str, str]]) -> None:
        self._tokens = tokens
        self._next = next(tokens)

    def message(self, closing: str, depth: int) -> Message:
        """Fields up to `closing`, which is consumed."""
        if depth > _MAX_DEPTH:
            raise ValueError(f"nested deeper than {_MAX_DEPTH}")
        fields: Message = {}
        while self._next[1] != closing or self._next[0] == "string":
            kind, name = self._take()
            if kind != "name":
                raise ValueError(f"a field name is expected, not {name or 'the end'!r}")
            colon = self._next == ("mark", ":")
            if colon:
                self._take()
            fields.setdefault(name, []).extend(self._values(depth, colon=colon))
        if closing:
            self._take()
        return fields

    def _values(self, depth: int, *, colon: bool) -> list[Value]:
        if self._next != ("mark", "["):
            return [self._value(depth, colon=colon)]
        self._take()
        values: list[Value] = []
        while self._next != ("mark", "]"):
            values.append(self._value(depth, colon=colon))
        self._take()
        return values

    def _value(self, depth: int, *, colon: bool) -> Value:
        kind, text = self._take()
        if kind == "mark" and text in _CLOSING:
            return self.message(_CLOSING[text], depth + 1)
        if not colon or kind not in ("string", "number", "name"):
            raise ValueError(f"a value is expected, not {text or 'the end'!r}")
        if kind == "string":
            parts = [_unquoted(text)]
            while self._next[0] == "string":
                parts.append(_unquoted(self._take()[1]))
            return "".join(parts)
        return _number(text) if kind == "number" else text

    def _take(self) -> tuple[str, str]:
        taken = self._next
        if taken[0] != "end":
            self._next = next(self._tokens)
        return taken


def _unquoted(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text[1:-1])


def _number(text: str) -> int | float:
    plain = text if text.lower().lstrip("+-").startswith("0x") else text.rstrip("fF")
    try:
        return int(plain, 0)
    except ValueError:
        return float(plain)
