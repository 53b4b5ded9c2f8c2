"""What must hold between a plan and the pipeline that it is about."""

from collections.abc import Iterator

from streamapp.collect.header import metric_of, plan_of
from streamapp.collect.source import WRITTEN, Origin, Source, parse_source
from streamapp.config.experiment import ExperimentSettings, MetricSettings
from streamapp.config.problems import Path, suggestion
from streamapp.config.rules.broken import Broken
from streamapp.config.settings import PipelineSettings
from streamapp.config.slots import slots_of
from streamapp.errors import ConfigError


def rules(settings: ExperimentSettings, pipeline: PipelineSettings) -> Iterator[Broken]:
    """Every rule that is broken."""
    yield from _arms(settings)
    yield from _model(settings, pipeline)
    if settings.compare == "variant":
        yield from _variants(settings, pipeline)
    elif pipeline.control is None:
        yield from _versions(settings, pipeline)
    broken = [each for name, metric in settings.metrics.items() for each in _metric(name, metric, pipeline)]
    yield from broken
    if not broken:
        try:
            plan_of(settings, dict.fromkeys((*settings.variants, settings.control), 1.0))
        except ConfigError as error:
            yield Broken((), str(error), "")


def _arms(settings: ExperimentSettings) -> Iterator[Broken]:
    for index, name in enumerate(settings.variants):
        if name in settings.variants[:index]:
            yield Broken(("variants", index), f"`{name}` is given twice", "keep one")
    if settings.control not in settings.variants:
        yield Broken(
            ("control",),
            f"`{settings.control}` is none of the variants",
            suggestion(settings.control, settings.variants),
        )


def _model(settings: ExperimentSettings, pipeline: PipelineSettings) -> Iterator[Broken]:
    models = {variant.model.name for variant in pipeline.variants.values()}
    if settings.compare == "variant":
        if settings.model is not None:
            yield Broken(("model",), "is only for versions", "remove it, or add `compare: version`")
    elif settings.model is None and len(models) > 1:
        yield Broken(
            ("compare",), "the pipeline has several models", f"add `model:`, one of {', '.join(sorted(models))}"
        )
    elif settings.model is not None and settings.model not in models:
        yield Broken(("model",), f"no variant serves `{settings.model}`", suggestion(settings.model, models))


def _variants(settings: ExperimentSettings, pipeline: PipelineSettings) -> Iterator[Broken]:
    known = slots_of(pipeline)
    for index, name in enumerate(settings.variants):
        if name not in known:
            versions = {variant.model.version for variant in pipeline.variants.values()}
            remedy = "add `compare: version` to compare versions" if name in versions else suggestion(name, known)
            yield Broken(("variants", index), f"the pipeline has no variant `{name}`", remedy)
        elif pipeline.control is None and not pipeline.variants[name].weight > 0:
            yield Broken(
                ("variants", index),
                f"variant `{name}` answers no key: its weight is 0",
                "give it a weight (a shadow's scores reach nobody, so there is nothing to compare)",
            )


def _versions(settings: ExperimentSettings, pipeline: PipelineSettings) -> Iterator[Broken]:
    """Without control the pipeline file knows them all."""
    known = {
        variant.model.version
        for variant in pipeline.variants.values()
        if settings.model in (None, variant.model.name) and variant.weight > 0
    }
    for index, name in enumerate(settings.variants):
        if name not in known:
            yield Broken(("variants", index), f"no variant answers with version `{name}`", suggestion(name, known))


def _metric(name: str, metric: MetricSettings, pipeline: PipelineSettings) -> Iterator[Broken]:
    at: Path = ("metrics", name)
    try:
        metric_of(name, metric)
    except ConfigError as error:
        yield Broken(at, str(error), "")
    if metric.kind == "bounded" and (metric.low is None or metric.high is None):
        yield Broken(at, "a bounded metric needs `low` and `high`", "add them")
    source = parse_source(metric.source)
    if source is None:
        yield Broken((*at, "from"), f"`{metric.source}` is no source", f"known here: {', '.join(WRITTEN)}")
    else:
        yield from _source(at, metric, source, pipeline)
    yield from _covariate(at, metric, pipeline)


def _source(at: Path, metric: MetricSettings, source: Source, pipeline: PipelineSettings) -> Iterator[Broken]:
    here = (*at, "from")
    if source.origin is Origin.LABEL and pipeline.outcomes is None:
        yield Broken(here, f"pipeline `{pipeline.name}` reads no labels", "add the `outcomes` section to its file")
    outputs = {output for variant in pipeline.variants.values() for output in variant.outputs}
    if source.origin is Origin.SCORE and source.name not in outputs:
        yield Broken(here, f"no variant gives a score `{source.name}`", suggestion(source.name, outputs))
    classes = pipeline.outcomes is not None and pipeline.outcomes.task == "binary_classification"
    numbers = source.origin in (Origin.SCORE, Origin.LATENCY) or (source.origin is Origin.LABEL and not classes)
    if metric.kind == "proportion" and numbers:
        yield Broken(
            (*at, "kind"), f"a proportion counts 0 or 1, and `{metric.source}` is any number", "use mean or bounded"
        )


def _covariate(at: Path, metric: MetricSettings, pipeline: PipelineSettings) -> Iterator[Broken]:
    if metric.covariate is None:
        return
    here = (*at, "covariate")
    view, colon, feature = metric.covariate.partition(":")
    if not (view and colon and feature):
        yield Broken(here, f"`{metric.covariate}` names no feature", "write `view:feature`")
    if metric.kind != "mean":
        yield Broken(here, f"a {metric.kind} takes no covariate", "remove it, or use `kind: mean`")
    if pipeline.features is None:
        yield Broken(here, f"pipeline `{pipeline.name}` has no features", "add the `features` section to its file")
