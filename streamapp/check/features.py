"""The Feast side: services exist, fit the pipeline, and the online store answers."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from streamapp.check.finding import Finding, error, ok
from streamapp.clock import SystemClock
from streamapp.config.settings import FieldSettings, PipelineSettings
from streamapp.enrich import ServiceDescription, build_enricher, describe_features
from streamapp.errors import ConfigError, StreamappError
from streamapp.types import Column, EventBatch, Routes

Services = Mapping[str, ServiceDescription]
"""Variant -> its feature service."""

_DTYPES = {"category": "int32", "timestamp": "int64"}


def check_features(settings: PipelineSettings, base: Path) -> tuple[list[Finding], Services]:
    """One finding per variant with a feature service and one for the online store; and the services."""
    if settings.features is None:
        return [], {}
    try:
        services = describe_features(settings.features, settings.variants, base)
    except StreamappError as raised:
        return [_registry_error(raised, base / settings.features.repository)], {}
    findings = [ok(f"features {name}", _said(service)) for name, service in services.items()]
    return [*findings, _check_store(settings, base)], services


def _registry_error(raised: StreamappError, repository: Path) -> Finding:
    remedy = f"feast -c {repository} apply"
    return error("features", str(raised), "" if "feast apply" in str(raised) else f"if it was never applied: {remedy}")


def _check_store(settings: PipelineSettings, base: Path) -> Finding:
    """Build the enricher as a worker would and ask it for one entity that need not exist."""
    subject = "online store"
    try:
        enricher = build_enricher(settings.features, settings.event, settings.variants, base, SystemClock())
    except StreamappError as raised:
        return error("features", str(raised))
    try:
        enricher.enrich(_probe(settings), _everybody(settings))
    except ConfigError as raised:
        return error(subject, str(raised), "feast apply creates its tables")
    except StreamappError as raised:
        return error(subject, str(raised), "is it running, and is feature_store.yaml right?")
    finally:
        enricher.close()
    return ok(subject, "answers (whether it holds your entities is not looked at)")


def _probe(settings: PipelineSettings) -> EventBatch:
    """One event made of zeros."""
    columns = {name: _zero(field) for name, field in settings.event.fields.items()}
    return EventBatch(columns, ["check"], ["check"], np.array([SystemClock().now_ms()], np.int64), {})


def _zero(field: FieldSettings) -> Column:
    if field.dtype == "string":
        return ["0"]
    if field.dtype.endswith("]"):
        return np.zeros((1, int(field.dtype[len("float32[") : -1])), np.float32)
    return np.zeros(1, _DTYPES.get(field.dtype, field.dtype))


def _everybody(settings: PipelineSettings) -> Routes:
    """Every variant scores row 0."""
    return Routes(np.zeros(1, np.int16), tuple(np.zeros(1, np.int64) for _ in settings.variants))


def _said(service: ServiceDescription) -> str:
    listed = ", ".join(f"{name} {dtype}" for name, dtype in service.dtypes.items())
    return f"service {service.name}: {listed} (definition sha256 {service.sha256})"
