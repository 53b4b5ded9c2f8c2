"""A YAML text as values, with the position of each.

Scalars follow YAML 1.2's core schema rather than PyYAML's 1.1: `no` and `on` are words, `12:30` and
`2026-01-01` are text, `1e-3` is a number. Keys are always text. A key given twice is a problem.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import yaml

from streamapp.config.problems import Path, Place, Problem, dotted

Value = None | bool | int | float | str | list["Value"] | dict[str, "Value"]
Entries = dict[str, tuple[yaml.Node, yaml.Node]]
Substitute = Callable[[str], str]
"""Takes a string scalar, gives it with its references replaced. Raises ValueError with what is wrong."""

_TAG = "tag:yaml.org,2002:"
_NAMED = re.compile(r"\b(alias|anchor|tag handle) '[^']*'")
"""Words of a problem that quote the text: an unquoted secret that begins with `*`, `&` or `!` is one of them."""


class _CoreLoader(yaml.SafeLoader):
    """Composes nodes whose plain scalars are tagged by the core schema."""

    yaml_implicit_resolvers = {}


_CoreLoader.add_implicit_resolver(f"{_TAG}merge", re.compile(r"^<<$"), ["<"])
_CoreLoader.add_implicit_resolver(f"{_TAG}null", re.compile(r"^(~|null|Null|NULL|)$"), ["~", "n", "N", ""])
_CoreLoader.add_implicit_resolver(f"{_TAG}bool", re.compile(r"^(true|True|TRUE|false|False|FALSE)$"), list("tTfF"))
_CoreLoader.add_implicit_resolver(f"{_TAG}int", re.compile(r"^([-+]?\d+|0x[\da-fA-F]+)$"), list("-+0123456789"))
_CoreLoader.add_implicit_resolver(
    f"{_TAG}float",
    re.compile(r"^([-+]?(\.\d+|\d+(\.\d*)?)([eE][-+]?\d+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN))$"),
    list("-+.0123456789"),
)


@dataclass(frozen=True, slots=True)
class Document:
    """A composed YAML text; `origin` names it in messages."""

    origin: str
    root: yaml.Node | None

    def place(self, path: Path, *, key: bool = False) -> Place:
        """Where the value at `path` stands: a scalar itself, a section or list by its key, and with `key` always the
        key. For a path that the text does not hold, the nearest thing above it."""
        here, node = self.root, self.root
        for part in path:
            step = _step(node, part)
            if step is None:
                break
            here, node = step
        else:
            if isinstance(node, yaml.ScalarNode) and not key:
                here = node
        return Place(1, 1) if here is None else Place(here.start_mark.line + 1, here.start_mark.column + 1)

    def written(self, path: Path) -> str | None:
        """The text of the scalar at `path` as it stands in the file, references unresolved."""
        node = self.root
        for part in path:
            step = _step(node, part)
            if step is None:
                return None
            node = step[1]
        return str(node.value) if isinstance(node, yaml.ScalarNode) else None


def compose(text: str, origin: str) -> Document | Problem:
    """The document in `text`, or why it is not YAML. The message never quotes the text: it may hold a secret."""
    try:
        return Document(origin, yaml.compose(text, _CoreLoader))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = Place(mark.line + 1, mark.column + 1) if mark else Place(1, 1)
        what = _NAMED.sub(r"\1", " ".join(part for part in (error.context, error.problem) if part))
        return Problem(origin, place, (), f"not valid YAML: {what}", _remedy(what))
    except yaml.reader.ReaderError as error:
        place = _place_of(text, error.position)
        return Problem(origin, place, (), f"not valid YAML: {error.reason}", "remove this character")


def values(document: Document, substitute: Substitute) -> tuple[Value, list[Problem]]:
    """The document's tree with references replaced, and what is wrong with it."""
    reader = _Reader(document, substitute, [])
    return (None if document.root is None else reader.value(document.root, (), ())), reader.problems


@dataclass(frozen=True, slots=True)
class _Reader:
    document: Document
    substitute: Substitute
    problems: list[Problem]

    def value(self, node: yaml.Node, path: Path, above: tuple[yaml.Node, ...]) -> Value:
        if any(node is parent for parent in above):
            self._problem(node, path, "an alias that contains itself", "write the value out")
            return None
        if isinstance(node, yaml.MappingNode):
            self._report_keys(node, path)
            return {key: self.value(child, (*path, key), (*above, node)) for key, (_, child) in _entries(node).items()}
        if isinstance(node, yaml.SequenceNode):
            return [self.value(child, (*path, i), (*above, node)) for i, child in enumerate(node.value)]
        return self._scalar(node, path)

    def _scalar(self, node: yaml.Node, path: Path) -> Value:
        kind, text = node.tag.removeprefix(_TAG), str(node.value)
        if kind == "null":
            return None
        if kind == "bool":
            return text.lower() == "true"
        if kind == "int":
            return int(text, 16 if text.startswith("0x") else 10)
        if kind == "float":
            return float(text.replace(".inf", "inf").replace(".Inf", "inf").replace(".INF", "inf").replace(".n", "n"))
        if kind not in ("str", "merge"):
            self._problem(node, path, "a tag is not supported", "write the plain value; quote text with a `!`")
            return None
        try:
            return self.substitute(text)
        except ValueError as error:
            message, _, remedy = str(error).partition("\n")
            self._problem(node, path, message, remedy)
            return None

    def _report_keys(self, node: yaml.MappingNode, path: Path) -> None:
        first: dict[str, yaml.Node] = {}
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self._problem(key, path, "a key must be a single word", "quote it if it is meant as text")
            elif key.value in first and key.tag != f"{_TAG}merge":
                line = first[key.value].start_mark.line + 1
                name = dotted((*path, key.value))
                self._problem(key, (*path, key.value), "given twice", f"keep one; `{name}` is also on line {line}")
            else:
                first[key.value] = key

    def _problem(self, node: yaml.Node, path: Path, message: str, remedy: str) -> None:
        place = Place(node.start_mark.line + 1, node.start_mark.column + 1)
        self.problems.append(Problem(self.document.origin, place, path, message, remedy))


def _entries(node: yaml.MappingNode) -> Entries:
    """Key -> its node and its value's node; keys of a merge (`<<`) come after the mapping's own."""
    own: Entries = {}
    merged: Entries = {}
    for key, child in node.value:
        if key.tag == f"{_TAG}merge":
            for source in _merge_sources(child, node):
                merged = {**_entries(source), **merged}
        elif isinstance(key, yaml.ScalarNode):
            own.setdefault(key.value, (key, child))
    return {**{key: entry for key, entry in merged.items() if key not in own}, **own}


def _merge_sources(child: yaml.Node, within: yaml.MappingNode) -> Iterator[yaml.MappingNode]:
    for source in child.value if isinstance(child, yaml.SequenceNode) else (child,):
        if isinstance(source, yaml.MappingNode) and source is not within:
            yield source


def _step(node: yaml.Node | None, part: str | int) -> tuple[yaml.Node, yaml.Node] | None:
    if isinstance(node, yaml.MappingNode) and isinstance(part, str):
        return _entries(node).get(part)
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        return node.value[part], node.value[part]
    return None


def _place_of(text: str, position: int) -> Place:
    before = text[:position]
    return Place(before.count("\n") + 1, position - (before.rfind("\n") + 1) + 1)


def _remedy(problem: str) -> str:
    if "\\t" in problem or "'\t'" in problem:
        return "indent with spaces, not tabs"
    if "mapping values are not allowed" in problem:
        return "quote a value that contains `: `, and check the indentation"
    if "undefined alias" in problem:
        return "quote text that begins with `*`"
    if "expected a single document" in problem:
        return "keep one document; remove the `---` between them"
    return "check indentation, quotes and brackets here and on the line before"
