"""The order of the checks."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from streamapp.check.broker import check_broker, check_connection, check_metrics_port
from streamapp.check.control import check_control
from streamapp.check.features import Services, check_features
from streamapp.check.finding import Finding, Level, attempt, error, ok
from streamapp.check.models import check_models
from streamapp.check.registry import check_registry
from streamapp.config.load import read_pipeline
from streamapp.config.settings import PipelineSettings
from streamapp.decode import build_decoder, build_outcome_decoder
from streamapp.observe.streams import streams_of


def check_pipeline(path: Path, *, overrides: Sequence[str] = (), offline: bool = False) -> list[Finding]:
    """What was looked at and what was found, in the order of the data; no finding hides a later one.

    Without a sound pipeline file there is nothing else to look at. offline leaves the broker, the ports and a registry
    that is not a folder out.
    """
    settings, problems = read_pipeline(path, overrides)
    if settings is None:
        return [error("config", str(problem)) for problem in problems]
    base = path.parent
    features, services = check_features(settings, base)
    findings = [
        ok("config", f"{path}: variants {', '.join(settings.variants)}"),
        *_check_schemas(settings, base),
        *check_models(settings, base, {name: service.numeric for name, service in services.items()}),
        *features,
    ]
    way = check_connection(settings.kafka)
    broker = [] if offline or way[0].level is Level.ERROR else check_broker(settings)
    answers = bool(broker) and broker[0].level is Level.OK
    findings += [*way, *broker, *_check_control(settings, base, services, answers=answers, offline=offline)]
    return findings if offline else [*findings, *check_metrics_port(settings.metrics)]


def _check_control(
    settings: PipelineSettings, base: Path, services: Services, *, answers: bool, offline: bool
) -> Iterator[Finding]:
    """answers: whether the broker does, which the control topics need."""
    control, state = settings.control, None
    if control is None:
        return
    if answers:
        findings, state = check_control(settings)
        yield from findings
    if not offline or "://" not in control.registry:
        yield from check_registry(settings, control, base, state, services)


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
