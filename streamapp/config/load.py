"""A pipeline file to settings, or to everything that is wrong with it."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from streamapp.config import problems
from streamapp.config.document import Document, compose, values
from streamapp.config.explain import explain
from streamapp.config.overrides import Override, overlay, parse_override
from streamapp.config.problems import Problem, in_order, render
from streamapp.config.rules import broken_rules
from streamapp.config.settings import PipelineSettings
from streamapp.config.substitution import substitute
from streamapp.errors import ConfigError


def load_pipeline(
    path: Path, overrides: Sequence[str] = (), environ: Mapping[str, str] | None = None
) -> PipelineSettings:
    """The settings in the file at `path`; paths inside stay as written, relative to `path.parent`, but for those of
    the `kafka` section, which connections open without knowing where the file is.

    overrides: `key.path=value`, laid over the file. environ: what `${NAME}` refers to, the process's own if absent.
    Raises `ConfigError` that lists every problem with its line.
    """
    settings, found = read_pipeline(path, overrides, environ)
    if settings is None:
        raise ConfigError(render(found))
    return settings


def read_pipeline(
    path: Path, overrides: Sequence[str] = (), environ: Mapping[str, str] | None = None
) -> tuple[PipelineSettings | None, tuple[Problem, ...]]:
    """The settings and no problem, or no settings and every problem in the order of the file."""
    text = _read(path)
    if isinstance(text, Problem):
        return None, (text,)
    document = compose(text, str(path))
    if isinstance(document, Problem):
        return None, (document,)
    return _settings(document, overrides, os.environ if environ is None else environ, path.parent)


def _settings(
    document: Document, overrides: Sequence[str], environ: Mapping[str, str], base: Path
) -> tuple[PipelineSettings | None, tuple[Problem, ...]]:
    def resolve(text: str) -> str:
        return substitute(text, environ, base)

    # 1. The file's values, then the command line's over them.
    tree, found = values(document, resolve)
    parsed = [parse_override(text, resolve) for text in overrides]
    found += [each for each in parsed if isinstance(each, Problem)]
    applied = [each for each in parsed if isinstance(each, Override)]
    for override in applied:
        tree = overlay(tree, override)
    if not isinstance(tree, dict):
        message, remedy = "is empty" if tree is None else "is not a mapping", "`streamapp init` writes a starter"
        return None, (Problem(document.origin, document.place(()), (), message, remedy),)
    source = _Source(document, applied)
    # 2. Each value by itself; a place that is known to be wrong is not reported twice.
    try:
        settings = PipelineSettings.model_validate(tree)
    except ValidationError as error:
        known = {problem.path for problem in found}
        for at, message, remedy, key in explain(error, tree, source.written):
            if key or at not in known:
                found.append(source.problem(at, message, remedy, key=key))
        return None, in_order(found)
    # 3. The values together.
    found += [source.problem(rule.path, rule.message, rule.remedy) for rule in broken_rules(settings)]
    return (None if found else _with_kafka_paths(settings, base)), in_order(found)


def _with_kafka_paths(settings: PipelineSettings, base: Path) -> PipelineSettings:
    paths = {name: base / value for name, value in settings.kafka if isinstance(value, Path)}
    return settings.model_copy(update={"kafka": settings.kafka.model_copy(update=paths)}) if paths else settings


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


def _read(path: Path) -> str | Problem:
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return Problem(str(path), None, (), "no such file", "`streamapp init` writes a starter pipeline")
    except IsADirectoryError:
        return Problem(str(path), None, (), "is a folder", f"give the file in it: {path / 'pipeline.yaml'}")
    except UnicodeDecodeError as error:
        return Problem(str(path), None, (), f"is not UTF-8 text (byte {error.start})", "save it as UTF-8")
    except OSError as error:
        return Problem(str(path), None, (), f"cannot be read: {error.strerror}", "check the file's permissions")
