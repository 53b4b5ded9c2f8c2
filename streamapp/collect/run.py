"""The command from its plan to the lines."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from streamapp.collect.covariates import History
from streamapp.collect.dealing import arms_of
from streamapp.collect.gather import Span, gather
from streamapp.collect.needs import Needs, needs_of
from streamapp.collect.tell import Collected, tell
from streamapp.config.experiment import ExperimentSettings
from streamapp.config.settings import PipelineSettings
from streamapp.errors import ConfigError


def collect(pipeline: PipelineSettings, base: Path, plan: ExperimentSettings, span: Span) -> Collected:
    """Read the topics of the pipeline whose file is in `base`; whatever is wrong is raised here, before the first line.

    Raises `ConfigError`, `SchemaError`, `BrokerUnavailable` and `FeatureStoreUnavailable`.
    """
    needs, arms = needs_of(plan, pipeline), arms_of(plan, pipeline)
    with _history(pipeline, base, needs) as history:
        found = asyncio.run(gather(pipeline, base, arms, needs, span, history))
        return tell(pipeline, plan, needs, span, found, history)


@contextmanager
def _history(pipeline: PipelineSettings, base: Path, needs: Needs) -> Iterator[History | None]:
    if not needs.covariates:
        yield None
        return
    if pipeline.features is None:
        raise ConfigError(f"pipeline `{pipeline.name}` has no features: add the `features` section to its file")
    # Feast takes seconds to import.
    from streamapp.enrich.historical import HistoricalFeatures

    history = HistoricalFeatures(pipeline.features, pipeline.event, list(needs.covariates.values()), base)
    try:
        yield history
    finally:
        history.close()
