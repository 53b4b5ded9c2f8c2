"""A pipeline file to settings, or to everything that is wrong with it."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from streamapp.config.problems import Problem, render
from streamapp.config.rules import broken_rules
from streamapp.config.settings import PipelineSettings
from streamapp.config.validate import FileKind, read_settings
from streamapp.errors import ConfigError

_PIPELINE = FileKind(
    root=PipelineSettings,
    rules=broken_rules,
    usual="pipeline.yaml",
    absent="`streamapp init` writes a starter pipeline",
    empty="`streamapp init` writes a starter",
)


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
    settings, found = read_settings(_PIPELINE, path, overrides, os.environ if environ is None else environ)
    return (None if settings is None else _with_kafka_paths(settings, path.parent)), found


def _with_kafka_paths(settings: PipelineSettings, base: Path) -> PipelineSettings:
    paths = {name: base / value for name, value in settings.kafka if isinstance(value, Path)}
    return settings.model_copy(update={"kafka": settings.kafka.model_copy(update=paths)}) if paths else settings
