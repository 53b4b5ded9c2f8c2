"""A rollout from its file."""

import os
from collections.abc import Collection, Mapping
from functools import partial
from pathlib import Path

from streamapp.config.overrides import Override
from streamapp.config.problems import render
from streamapp.config.rollout import RolloutSettings
from streamapp.config.validate import FileKind, read_settings
from streamapp.errors import ConfigError
from streamapp.rollout.rules import rules


def load_rollout(
    path: Path,
    model: str | None,
    to: str | None,
    known: Collection[str],
    environ: Mapping[str, str] | None = None,
) -> RolloutSettings:
    """The rollout in the file at `path`, for `model` and with version `to` where they are given.

    known: the evidence that conditions may name. environ: what `${NAME}` refers to, the process's own if absent.
    Raises `ConfigError` that lists every problem with its line, or if the file is for another model.
    """
    settings, found = read_settings(
        rollout_file(known), path, said_version(to), os.environ if environ is None else environ
    )
    if settings is None:
        raise ConfigError(render(found))
    if model is None and settings.model is None:
        raise ConfigError(f"{path} names no model\n  -> add `model:`, or say it on the command line")
    if model is not None and settings.model not in (None, model):
        raise ConfigError(
            f"{path} is for model `{settings.model}`, not `{model}`\n  -> remove `model:` from the file to use it for "
            "any model"
        )
    return settings.model_copy(update={"model": model or settings.model})


def said_version(to: str | None) -> list[Override]:
    """The version as the command line says it."""
    return [] if to is None else [Override("--to", ("to",), to, to)]


def rollout_file(known: Collection[str]) -> FileKind[RolloutSettings]:
    """What a rollout file is to hold."""
    return FileKind(
        root=RolloutSettings,
        rules=partial(rules, known=known),
        usual="rollout.yaml",
        absent="give the file of a rollout, or its steps as --weights, --pause, --success",
        empty="a rollout file begins with `strategy:`",
    )
