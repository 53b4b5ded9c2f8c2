"""`--set key.path=value`: one setting from the command line, laid over the file's."""

from dataclasses import dataclass

from pydantic import BaseModel

from streamapp.config.document import Substitute, Value, compose, values
from streamapp.config.keys import Key, is_mapping, item_type, keys_of, section_in
from streamapp.config.problems import Path, Problem, suggestion


@dataclass(frozen=True, slots=True)
class Override:
    """One setting: `argument` is what to call it in messages (without its value), `written` its value as given."""

    argument: str
    path: Path
    value: Value
    written: str


def parse_override(root: type[BaseModel], text: str, substitute: Substitute) -> Override | Problem:
    """`kafka.bootstrap.servers=host:9092` as an override; the value is read as YAML.

    Keys may hold dots of their own (`bootstrap.servers`), so the path is split along the tree of `root`.
    """
    dotted_key, equals, written = text.partition("=")
    argument = f"--set {dotted_key}"
    if not equals:
        return Problem(argument, None, (), "has no value", "write --set key.path=value")
    path = _split(root, dotted_key, argument)
    if isinstance(path, Problem):
        return path
    document = compose(written, argument)
    if isinstance(document, Problem):
        return Problem(argument, None, path, document.message, "quote the value")
    value, problems = values(document, substitute)
    if problems:
        return Problem(argument, None, path, problems[0].message, problems[0].remedy)
    return Override(argument, path, value, written)


def overlay(root: type[BaseModel], tree: Value, override: Override) -> Value:
    """`tree`, which is to be a `root`, with one value replaced; sections on the way are made
    where absent, and items of lists are added at their end."""
    return _overlay(tree, override.path, override.value, root)


def _overlay(tree: Value, path: Path, value: Value, annotation: object) -> Value:
    if not path:
        return value
    if isinstance(path[0], int):
        items = list(tree) if isinstance(tree, list) else []
        old = items[path[0]] if path[0] < len(items) else None
        items[path[0] : path[0] + 1] = [_overlay(old, path[1:], value, item_type(annotation))]
        return items
    part, rest = path[0], path[1:]
    section = section_in(annotation)
    key = None if section is None else keys_of(section)[part]
    entries = dict(tree) if isinstance(tree, dict) else {}
    below = item_type(annotation) if key is None else key.field.annotation
    other = entries.pop(key.attribute, None) if key is not None and key.attribute != part else None
    entries[part] = _overlay(entries.get(part, other), rest, value, below)
    return entries


def _split(root: type[BaseModel], text: str, argument: str) -> Path | Problem:
    path: list[str] = []
    annotation: object = root
    rest = text
    while rest:
        section = section_in(annotation)
        if section is not None:
            key = _leading_key(section, rest)
            if key is None:
                word = rest if _has_dots(section) else rest.split(".")[0]
                return Problem(argument, None, (), f"unknown key `{rest}`", suggestion(word, keys_of(section)))
            written = key.name if _leads(key.name, rest) else key.attribute
            path.append(key.name)
            rest, annotation = rest[len(written) + 1 :], key.field.annotation
        elif is_mapping(annotation):
            name, _, rest = rest.partition(".")
            path.append(name)
            annotation = item_type(annotation)
        else:
            return Problem(
                argument, None, (), f"`{path[-1]}` has no keys of its own", f"end the key after `{path[-1]}`"
            )
    return tuple(path)


def _leading_key(section: type[BaseModel], text: str) -> Key | None:
    """The key that `text` begins with; the longest where several fit."""
    fitting = [key for key in keys_of(section).values() if _leads(key.name, text) or _leads(key.attribute, text)]
    return max(fitting, key=lambda key: len(key.name), default=None)


def _leads(name: str, text: str) -> bool:
    return text == name or text.startswith(f"{name}.")


def _has_dots(section: type[BaseModel]) -> bool:
    return any("." in name for name in keys_of(section))
