"""Enrich: join events with Feast features, through an entity cache, under freshness contracts."""

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from streamapp.config.settings import EventSettings, FeatureSettings, VariantSettings
from streamapp.enrich.counts import EnrichCounts
from streamapp.enrich.enricher import EventFieldsOnly, FeatureEnricher
from streamapp.enrich.plan import plan_features
from streamapp.enrich.reader import FeatureDescription, JoinKey, ServiceDescription, ViewDescription
from streamapp.errors import ConfigError
from streamapp.protocols import Clock, Enricher

__all__ = [
    "CountingEnricher",
    "EnrichCounts",
    "FeatureDescription",
    "JoinKey",
    "ServiceDescription",
    "ViewDescription",
    "build_enricher",
    "describe_features",
]


class CountingEnricher(Enricher, Protocol):
    """An enricher that says what it did."""

    @property
    def counts(self) -> EnrichCounts:
        """Cumulative counts, as a snapshot; never waits for the store."""
        ...

    @property
    def features(self) -> Mapping[str, tuple[str, ...]]:
        """Declared variant -> the names in its block, as `view:feature`."""
        ...


def build_enricher(
    settings: FeatureSettings | None,
    event: EventSettings,
    variants: Mapping[str, VariantSettings],
    base: Path,
    clock: Clock,
) -> CountingEnricher:
    """The enricher of a pipeline whose file lies in `base`; its blocks come in the order of `variants`.

    Reads the registry, not the online store, which may be down. Raises `ConfigError` and `ContractError` for what
    does not fit, `FeatureStoreUnavailable` where the registry does not answer.
    """
    names = _services(settings, variants)
    if settings is None or not names:
        plan_features(FeatureSettings(repository=base), event, variants, {})
        return EventFieldsOnly(variants)
    from streamapp.enrich.feast import FeastReader, describe_services, open_store

    store = open_store(base / settings.repository)
    services = describe_services(store, names)
    plan = plan_features(settings, event, variants, services)
    return FeatureEnricher(plan, settings, FeastReader(store, services), clock)


def describe_features(
    settings: FeatureSettings | None, variants: Mapping[str, VariantSettings], base: Path
) -> Mapping[str, ServiceDescription]:
    """Variant -> what its feature service holds; variants without one are left out. Raises like `build_enricher`."""
    names = _services(settings, variants)
    if settings is None or not names:
        return {}
    from streamapp.enrich.feast import describe_services, open_store

    services = describe_services(open_store(base / settings.repository), names)
    return {
        name: services[variant.feature_service]
        for name, variant in variants.items()
        if variant.feature_service is not None
    }


def _services(settings: FeatureSettings | None, variants: Mapping[str, VariantSettings]) -> list[str]:
    """The feature services in use, each once."""
    for name, variant in variants.items():
        if variant.feature_service is not None and settings is None:
            raise ConfigError(
                f"variant {name!r} names feature_service {variant.feature_service!r}, but the pipeline file has no "
                "`features` section; add one with `repository: <folder of feature_store.yaml>`"
            )
    return list(dict.fromkeys(v.feature_service for v in variants.values() if v.feature_service is not None))
