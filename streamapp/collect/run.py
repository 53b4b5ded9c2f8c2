"""The command from its plan to the lines."""

import asyncio
from pathlib import Path

from streamapp.collect.covariates import History
from streamapp.collect.dealing import Arms, arms_of
from streamapp.collect.gather import Gathered, Span, gather
from streamapp.collect.needs import Needs, needs_of, topics_of
from streamapp.collect.tell import Collected, tell
from streamapp.collect.topics import open_topics
from streamapp.config.experiment import ExperimentSettings
from streamapp.config.settings import PipelineSettings
from streamapp.decode import build_decoder
from streamapp.errors import ConfigError
from streamapp.protocols import Decoder


def collect(
    pipeline: PipelineSettings, base: Path, plan: ExperimentSettings, span: Span, covariate_rows: int
) -> Collected:
    """Read the topics of the pipeline whose file is in `base`; whatever is wrong is raised here, before the first line.

    covariate_rows: units that the offline store is asked for at once.
    Raises `ConfigError`, `SchemaError`, `BrokerUnavailable` and `FeatureStoreUnavailable`.
    """
    needs, arms = needs_of(plan, pipeline), arms_of(plan, pipeline)
    history = _history(pipeline, base, needs, covariate_rows)
    decoder = build_decoder(pipeline.source, pipeline.event, base)
    found = asyncio.run(_gather(pipeline, decoder, arms, needs, span, history))
    return tell(pipeline, plan, needs, span, found, history)


async def _gather(
    pipeline: PipelineSettings, decoder: Decoder, arms: Arms, needs: Needs, span: Span, history: History | None
) -> Gathered:
    topics = await open_topics(pipeline, topics_of(needs, pipeline))
    return await gather(pipeline, topics, decoder, arms, needs, span, history)


def _history(pipeline: PipelineSettings, base: Path, needs: Needs, rows: int) -> History | None:
    if not needs.covariates:
        return None
    if pipeline.features is None:
        raise ConfigError(f"pipeline `{pipeline.name}` has no features: add the `features` section to its file")
    # Feast takes seconds to import.
    from streamapp.enrich.historical import HistoricalFeatures

    return HistoricalFeatures(pipeline.features, pipeline.event, list(needs.covariates.values()), base, rows)
