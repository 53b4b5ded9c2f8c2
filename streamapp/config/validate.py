"""A YAML file to one kind of settings, or to everything that is wrong with it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from pydantic import BaseModel, ValidationError

from streamapp.config import problems
from streamapp.config.document import Document, compose, values
from streamapp.config.explain import explain
from streamapp.config.overrides import Override, overlay, parse_override
from streamapp.config.problems import Problem, in_order
from streamapp.config.rules.broken import Broken
from streamapp.config.substitution import substitute

Root = TypeVar("Root", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class FileKind(Generic[Root]):
    """What a file is to hold. rules: what must hold between values that are each fine on their own. usual: what such a
    file is called. absent, empty: what to do about a file that is not there, or holds nothing."""

    root: type[Root]
    rules: Callable[[Root], Iterable[Broken]]
    usual: str
    absent: str
    empty: str


def read_settings(
    kind: FileKind[Root], path: Path, overrides: Sequence[str | Override], environ: Mapping[str, str]
) -> tuple[Root | None, tuple[Problem, ...]]:
    """The settings in the file at `path` and no problem, or no settings and every problem in the order of the file.

    overrides: laid over the file, in this order; text is `key.path=value`.
    """
    text = _read(path, kind)
    if isinstance(text, Problem):
        return None, (text,)
    document = compose(text, str(path))
    if isinstance(document, Problem):
        return None, (document,)
    return settings_of(kind, document, overrides, environ, path.parent)


def settings_of(
    kind: FileKind[Root],
    document: Document,
    overrides: Sequence[str | Override],
    environ: Mapping[str, str],
    base: Path,
) -> tuple[Root | None, tuple[Problem, ...]]:
    """The same for a text that was read already. base: what `${file:…}` is relative to."""

    def resolve(text: str) -> str:
        return substitute(text, environ, base)

    # 1. The file's values, then the command line's over them.
    tree, found = values(document, resolve)
    parsed = [parse_override(kind.root, text, resolve) if isinstance(text, str) else text for text in overrides]
    found += [each for each in parsed if isinstance(each, Problem)]
    applied = [each for each in parsed if isinstance(each, Override)]
    for override in applied:
        tree = overlay(kind.root, tree, override)
    if not isinstance(tree, dict):
        message = "is empty" if tree is None else "is not a mapping"
        return None, (Problem(document.origin, document.place(()), (), message, kind.empty),)
    source = _Source(document, applied)
    # 2. Each value by itself; a place that is known to be wrong is not reported twice.
    try:
        settings = kind.root.model_validate(tree)
    except ValidationError as error:
        known = {problem.path for problem in found}
        for at, message, remedy, key in explain(error, kind.root, tree, source.written):
            if key or at not in known:
                found.append(source.problem(at, message, remedy, key=key))
        return None, in_order(found)
    # 3. The values together.
    found += [source.problem(rule.path, rule.message, rule.remedy) for rule in kind.rules(settings)]
    return (None if found else settings), in_order(found)


@dataclass(frozen=True, slots=True)
class _Source:
    """Where each value came from: the file, or an argument laid over it."""

    document: Document
    overrides: Sequence[Override]

    def written(self, path: problems.Path) -> str | None:
        """The scalar at `path` as the user wrote it."""
        override = self._override(path)
        if override is None:
            return self.document.written(path)
        return override.written if override.path == path else None

    def problem(self, path: problems.Path, message: str, remedy: str, *, key: bool = False) -> Problem:
        """A problem at `path`, with the place or the argument it came from."""
        override = self._override(path)
        if override is not None:
            return Problem(override.argument, None, path, message, remedy)
        return Problem(self.document.origin, self.document.place(path, key=key), path, message, remedy)

    def _override(self, path: problems.Path) -> Override | None:
        covering = (each for each in reversed(self.overrides) if path[: len(each.path)] == each.path)
        return next(covering, None)


def _read(path: Path, kind: FileKind[Root]) -> str | Problem:
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return Problem(str(path), None, (), "no such file", kind.absent)
    except IsADirectoryError:
        return Problem(str(path), None, (), "is a folder", f"give the file in it: {path / kind.usual}")
    except UnicodeDecodeError as error:
        return Problem(str(path), None, (), f"is not UTF-8 text (byte {error.start})", "save it as UTF-8")
    except OSError as error:
        return Problem(str(path), None, (), f"cannot be read: {error.strerror}", "check the file's permissions")
