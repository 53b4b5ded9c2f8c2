"""A plan from its file."""

import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from streamapp.collect.rules import rules
from streamapp.config.experiment import ExperimentSettings
from streamapp.config.problems import render
from streamapp.config.settings import PipelineSettings
from streamapp.config.validate import FileKind, read_settings
from streamapp.errors import ConfigError


def load_plan(path: Path, pipeline: PipelineSettings, environ: Mapping[str, str] | None = None) -> ExperimentSettings:
    """The plan in the YAML or JSON file at `path`, which fits the pipeline as far as its file says.

    environ: what `${NAME}` refers to, the process's own if absent. Raises `ConfigError` that lists every problem with
    its line.
    """
    kind = FileKind(
        root=ExperimentSettings,
        rules=partial(rules, pipeline=pipeline),
        usual="plan.yaml",
        absent="docs/experiments.md shows one",
        empty="a plan begins with `experiment:`",
    )
    settings, found = read_settings(kind, path, (), os.environ if environ is None else environ)
    if settings is None:
        raise ConfigError(render(found))
    return settings
