"""The rollout that a command line asks for."""

import re
from contextlib import suppress
from pathlib import Path

from streamapp.config.rollout import VERSION, RolloutSettings
from streamapp.config.settings import PipelineSettings
from streamapp.errors import ConfigError, RegistryUnavailable
from streamapp.rollout.flags import Flags, chosen
from streamapp.rollout.reach import Reach


def asked(
    reach: Reach, pipeline: PipelineSettings, file: Path | None, flags: Flags, model: str | None, to: str | None
) -> RolloutSettings:
    """See `chosen`. Raises `ConfigError`, and `UnknownVersion` where both the version and the way to it are wrong: who
    asks for a version that is not there has nothing of learning how to get there."""
    try:
        return chosen(file, flags, model, to, reach.evidence)
    except ConfigError:
        filed = {(each.model.name, each.model.version) for each in pipeline.variants.values()}
        if model is not None and to is not None and re.match(VERSION, to) and (model, to) not in filed:
            with suppress(RegistryUnavailable):
                reach.versions.resolve(model, to)
        raise
