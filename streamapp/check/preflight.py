"""The order of the checks."""

from collections.abc import Sequence
from pathlib import Path

from streamapp.check.broker import check_broker, check_metrics_port
from streamapp.check.features import check_features
from streamapp.check.finding import Finding, attempt, error, ok
from streamapp.check.models import check_models
from streamapp.config.load import read_pipeline
from streamapp.config.settings import PipelineSettings
from streamapp.decode import build_decoder, build_outcome_decoder
from streamapp.observe.streams import streams_of


def check_pipeline(path: Path, *, overrides: Sequence[str] = (), offline: bool = False) -> list[Finding]:
    """What was looked at and what was found, in the order of the data; no finding hides a later one.

    Without a sound pipeline file there is nothing else to look at. offline leaves the broker and the ports out.
    """
    settings, problems = read_pipeline(path, overrides)
    if settings is None:
        return [error("config", str(problem)) for problem in problems]
    base = path.parent
    features, given = check_features(settings, base)
    findings = [
        ok("config", f"{path}: variants {', '.join(settings.variants)}"),
        *_check_schemas(settings, base),
        *check_models(settings, base, given),
        *features,
    ]
    return findings if offline else [*findings, *check_broker(settings), *check_metrics_port(settings.metrics)]


def _check_schemas(settings: PipelineSettings, base: Path) -> list[Finding]:
    def events() -> str:
        build_decoder(settings.source, settings.event, base)
        return f"{settings.source.format}: {', '.join(f'{n} {f.dtype}' for n, f in settings.event.fields.items())}"

    def watched() -> str:
        named = zip(settings.variants, streams_of(settings), strict=True)
        return "; ".join(f"{variant}: {', '.join(streams.names)}" for variant, streams in named)

    findings = [attempt("event", events)]
    if settings.drift.enabled:
        findings.append(attempt("drift", watched))
    outcomes = settings.outcomes
    if outcomes is not None:

        def labels() -> str:
            build_outcome_decoder(outcomes)
            return f"{outcomes.task}: {outcomes.label} judges {outcomes.score}, joined by {outcomes.id}"

        findings.append(attempt("outcomes", labels))
    return findings
