"""What pydantic found wrong, in the file's own words."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from streamapp.config.document import Value
from streamapp.config.keys import find_key, homes_of, key_at, keys_of, section_at
from streamapp.config.problems import Path, nearest, suggestion

_EXPECTED = {
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "string_type": "text",
    "duration": "a duration such as 500ms, 30s, 5m or 1h30m, or a number of seconds",
    "path_type": "a path",
    "tuple_type": "a list",
    "dict_type": "a section of names and values",
    "model_type": "a section of keys and values",
}
_LIMITS = {
    "greater_than": ("gt", "greater than"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "less than"),
    "less_than_equal": ("le", "at most"),
}

_SECRET = re.compile(r"pass|secret|token|credential|sasl", re.IGNORECASE)
"""Keys whose values stay hidden wherever they stand and however they are spelt: a secret is easily a line too high."""

Explained = tuple[Path, str, str, bool]
"""Path, message, remedy, and whether the key rather than its value is at fault."""


def explain(
    error: ValidationError, root: type[BaseModel], tree: Value, written: Callable[[Path], str | None]
) -> Iterator[Explained]:
    """One explanation per broken place of `tree`, which was to be a `root`. `written` gives a scalar as the user wrote
    it."""
    grouped: dict[Path, list[ErrorDetails]] = {}
    for details in error.errors(include_url=False, include_context=True):
        if not _follows(details):
            grouped.setdefault(_path(details, tree), []).append(details)
    for path, found in grouped.items():
        yield _explain(root, path, found, written(path))


def _follows(details: ErrorDetails) -> bool:
    """Whether a list only seems too short, as wrong items, which are reported themselves, do not count in it."""
    return details["type"] == "too_short" and len(details["input"]) >= details["ctx"]["min_length"]


def _path(details: ErrorDetails, tree: Value) -> Path:
    """The error's place without pydantic's own steps (members of a union, `[key]`)."""
    path: list[str | int] = []
    node = tree
    for part in details["loc"]:
        below = _below(node, part)
        if below is None:
            break
        node = below[0]
        path.append(part)
    return (*path, details["loc"][-1]) if details["type"] == "missing" else tuple(path)


def _below(node: Value, part: str | int) -> tuple[Value] | None:
    if isinstance(node, dict) and isinstance(part, str) and part in node:
        return (node[part],)
    if isinstance(node, list) and isinstance(part, int) and part < len(node):
        return (node[part],)
    return None


def _explain(root: type[BaseModel], path: Path, found: Sequence[ErrorDetails], written: str | None) -> Explained:
    first = found[0]
    kind, context = first["type"], first.get("ctx", {})
    if kind == "missing":
        return _missing(root, path)
    if kind == "extra_forbidden":
        return _unknown(root, path)
    if first["loc"] and first["loc"][-1] == "[key]":
        return path, "not a valid name", f"names match {_pattern(context)}", True
    key = key_at(root, path)
    secret = (key is not None and key.secret) or any(_SECRET.search(str(part)) for part in path)
    got = _got(first["input"], written, secret=secret)
    message, remedy = _wrong_value(found, context, got)
    return path, message, remedy or (f"meaning: {key.description}" if key is not None else ""), False


def _missing(root: type[BaseModel], path: Path) -> Explained:
    key = key_at(root, path)
    description = f" ({key.description.rstrip('.')})" if key is not None and key.description else ""
    return path, "missing", f"add `{path[-1]}:`{description}", True


def _unknown(root: type[BaseModel], path: Path) -> Explained:
    word, section = str(path[-1]), section_at(root, path[:-1])
    if section is None:
        return path, "unknown key", "remove it", True
    key = find_key(section, word)
    if key is not None:
        return path, "given twice", f"keep `{key.name}`; `{key.attribute}` is the same key", True
    if nearest(word, keys_of(section)) is None and (homes := homes_of(root, word)):
        return path, "unknown key", f"`{word}` belongs under `{homes[0]}`", True
    return path, "unknown key", suggestion(word, keys_of(section)), True


def _wrong_value(found: Sequence[ErrorDetails], context: Mapping[str, Any], got: str) -> tuple[str, str]:
    kind = found[0]["type"]
    if kind in _LIMITS:
        limit, words = _LIMITS[kind]
        return f"must be {words} {context[limit]:g}, but is {got}", ""
    if kind == "literal_error":
        choices = str(context["expected"]).replace("'", "")
        near = nearest(str(found[0]["input"]), choices.replace(" or ", ", ").split(", "))
        return f"must be {choices}, but is {got}", f"did you mean `{near}`?" if near else ""
    if kind == "string_pattern_mismatch":
        pattern = _pattern(context)
        return f"{got} is not allowed here" if "|" in pattern else f"{got} does not match {pattern}", ""
    if kind in ("too_short", "string_too_short"):
        return "must not be empty", ""
    expected = list(dict.fromkeys(_EXPECTED.get(each["type"], "") for each in found))
    if not all(expected):
        return f"{got} is not valid: {found[0]['msg'][:1].lower()}{found[0]['msg'][1:]}", ""
    return f"must be {' or '.join(expected)}, but is {got}", _type_remedy(expected, found[0]["input"], got)


def _type_remedy(expected: Sequence[str], value: object, got: str) -> str:
    if value is None and "a section of keys and values" in expected:
        return "give it keys, or remove the line"
    if value is None:
        return "give it a value, or remove the line"
    if "text" in expected and isinstance(value, bool | int | float):
        return f'quote it: "{got}"' if got != _HIDDEN else "quote it"
    if expected == ["a list"] and isinstance(value, str):
        return f"write [{value}]" if got != _HIDDEN else ""
    return ""


_HIDDEN = "(hidden)"


def _got(value: object, written: str | None, *, secret: bool) -> str:
    """The value as the user wrote it: references stay unresolved, secrets stay hidden."""
    if secret:
        return _HIDDEN
    if value is None:
        return "empty"
    if isinstance(value, dict):
        return "a section"
    if isinstance(value, list | tuple):
        return "a list"
    text = written if written is not None else str(value)
    text = text if len(text) <= 60 else f"{text[:57]}…"
    return text if not isinstance(value, str) else f"`{text}`"


def _pattern(context: Mapping[str, Any]) -> str:
    return str(context.get("pattern", "")).strip("^$")
