"""The reference of the pipeline file, from the settings' own docstrings."""

from collections.abc import Iterator
from pathlib import Path
from types import UnionType
from typing import Annotated, Literal, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic_core import PydanticUndefined

from streamapp.config.keys import Key, keys_of, section_in, sections

_HEAD = """\
# The pipeline file

Generated from the settings by `streamapp config`; every key, its type, default and meaning.

- Unknown keys and keys given twice are refused, with line and nearest valid key. All problems are shown at once.
- Values follow YAML 1.2: `no` and `on` are words, `1e-3` is a number, `version: 1.10` needs quotes to stay `1.10`.
- In text values `${NAME}` is taken from the environment, `${NAME:-default}` has a fallback where the variable is unset
  or empty, `${file:/run/secrets/name}` is the content of a file, `$${` is a plain `${`.
- Paths are relative to the pipeline file. Anchors, aliases and merges (`<<: *anchor`) work.
- `--set kafka.bootstrap.servers=host:9092` lays one value over the file; it may be repeated.
- Keys with dots are also accepted in snake case (`bootstrap_servers`).
"""
_NAMES = {
    bool: "bool", int: "int", float: "float", str: "text", Path: "path", SecretStr: "secret text", type(None): "null"
}  # fmt: skip


def reference() -> str:
    """The whole file as Markdown: one table per section, in file order."""
    return _HEAD + "".join(_section(path, section) for path, section in sections())


def _section(path: str, section: type[BaseModel]) -> str:
    title = f"`{path}`" if path else "Top level"
    rows = "".join(_row(key) for key in keys_of(section).values())
    summary = " ".join((section.__doc__ or "").split())
    return f"\n## {title}\n\n{summary}\n\n| key | type | default | meaning |\n|---|---|---|---|\n{rows}"


def _row(key: Key) -> str:
    meaning = " ".join(part for part in (key.description, _limits(key)) if part)
    cells = (f"`{key.name}`", _type(key.field.annotation), _default(key), meaning)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


def _type(annotation: object) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _type(arguments[0])
    if origin is Literal:
        return " | ".join(f"`{choice}`" for choice in arguments)
    if origin in (Union, UnionType):
        return " or ".join(dict.fromkeys(_type(each) for each in arguments if each is not type(None)))
    if origin is dict:
        return f"name -> {_type(arguments[1])}"
    if origin is tuple:
        return f"list of {_type(arguments[0])}"
    if section_in(annotation) is not None:
        return "section"
    return _NAMES.get(annotation, str(annotation)) if isinstance(annotation, type) else str(annotation)


def _default(key: Key) -> str:
    if key.field.is_required():
        return "**required**"
    default = key.field.get_default(call_default_factory=True)
    if default is None or default is PydanticUndefined or isinstance(default, BaseModel) or default == {}:
        return ""
    text = ", ".join(map(str, default)) if isinstance(default, tuple) else str(default)
    return f"`{text.lower() if isinstance(default, bool) else text}`"


def _limits(key: Key) -> str:
    """Bounds of a number, in brackets."""
    return ", ".join(_bounds(key)).join("()") if any(_bounds(key)) else ""


def _bounds(key: Key) -> Iterator[str]:
    for constraint in key.field.metadata:
        for name, words in (("ge", "at least"), ("gt", "above"), ("le", "at most"), ("lt", "below")):
            limit = getattr(constraint, name, None)
            if limit is not None:
                yield f"{words} {limit}"
