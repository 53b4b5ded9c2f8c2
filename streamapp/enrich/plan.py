"""Everything that is decided once: which views are read by which event fields, and what each variant's block holds."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from streamapp.config.settings import EventSettings, FeatureSettings, FeatureViewSettings, VariantSettings
from streamapp.enrich.entities import KeyField
from streamapp.enrich.freshness import ViewContract
from streamapp.enrich.nearest import choices
from streamapp.enrich.reader import JoinKey, ServiceDescription, ViewDescription
from streamapp.errors import ConfigError, ContractError
from streamapp.types import Int64

_INTEGERS = ("int32", "int64")


@dataclass(frozen=True, slots=True)
class Binding:
    """The event fields that name the entities of one stored view; two variants with the same binding share its keys."""

    stored: str
    fields: tuple[KeyField, ...]


@dataclass(frozen=True, slots=True, eq=False)
class ViewPart:
    """One view of one variant: which binding gives its rows, which columns of the stored view it shows, and where
    they stand in the block."""

    binding: Binding
    columns: Int64
    start: int
    contract: ViewContract


@dataclass(frozen=True, slots=True, eq=False)
class VariantPlan:
    """One variant's block. names: f `view:feature` names. views: v names. parts: v, in the same order."""

    names: tuple[str, ...]
    views: tuple[str, ...]
    parts: tuple[ViewPart, ...]


@dataclass(frozen=True, slots=True, eq=False)
class EnrichPlan:
    """stored: stored view -> the features that are read of it, over all variants. variants: variant -> its plan, None
    for one without features, in the order of the pipeline file."""

    stored: Mapping[str, tuple[str, ...]]
    variants: Mapping[str, VariantPlan | None]

    @property
    def bindings(self) -> tuple[Binding, ...]:
        """Every binding once, in order of first use."""
        parts = (part for variant in self.variants.values() if variant is not None for part in variant.parts)
        return tuple(dict.fromkeys(part.binding for part in parts))


def plan_features(
    settings: FeatureSettings,
    event: EventSettings,
    variants: Mapping[str, VariantSettings],
    services: Mapping[str, ServiceDescription],
) -> EnrichPlan:
    """Match services, event and models.

    A block holds the numeric features of its service in the service's order, whether or not the model takes them;
    others are left out. Raises `ConfigError` for a name that does not exist or a join key that no event field can
    give, and `ContractError` for a model input that the service does not hold or that is no number.
    """
    _check_names(settings, services.values())
    _check_inputs(event, variants, services)
    stored: dict[str, tuple[str, ...]] = {}
    for service in services.values():
        for view in service.views:
            names = (*stored.get(view.stored, ()), *_numeric(view))
            if names:
                stored[view.stored] = tuple(dict.fromkeys(names))
    plans = {
        name: None
        if variant.feature_service is None
        else _variant_plan(settings, event, services[variant.feature_service], stored)
        for name, variant in variants.items()
    }
    return EnrichPlan(stored, plans)


def _numeric(view: ViewDescription) -> tuple[str, ...]:
    return tuple(feature.name for feature in view.features if feature.numeric)


def _variant_plan(
    settings: FeatureSettings,
    event: EventSettings,
    service: ServiceDescription,
    stored: Mapping[str, tuple[str, ...]],
) -> VariantPlan:
    parts: list[ViewPart] = []
    names: list[str] = []
    for view in service.views:
        features = _numeric(view)
        if not features:
            continue
        fields = tuple(key_field(settings, event, view, key) for key in view.join_keys)
        contract = settings.views.get(view.name, FeatureViewSettings())
        read = stored[view.stored]
        parts.append(
            ViewPart(
                Binding(view.stored, fields),
                np.array([read.index(name) for name in features], np.int64),
                len(names),
                ViewContract(
                    view.name,
                    features,
                    tuple(field.field for field in fields),
                    contract.max_age_s,
                    contract.policy,
                    np.array([contract.defaults.get(name, np.nan) for name in features], np.float32),
                ),
            )
        )
        names.extend(f"{view.name}:{name}" for name in features)
    return VariantPlan(tuple(names), tuple(part.contract.view for part in parts), tuple(parts))


def key_field(settings: FeatureSettings, event: EventSettings, view: ViewDescription, key: JoinKey) -> KeyField:
    """The event field of a join key, checked to hold values of its type."""
    name = settings.entities.get(key.event_name, key.event_name)
    where = f"feature view {view.name!r}, join key {key.event_name!r} ({key.dtype})"
    if name not in event.fields:
        raise ConfigError(
            f"{where}: the event has no field {name!r}; {choices(name, event.fields)}. "
            f"Where the names differ say so under features.entities: `{key.event_name}: <event field>`"
        )
    field = event.fields[name]
    fits = field.dtype == "string" if key.dtype == "string" else field.dtype in _INTEGERS
    if field.dtype == "category" and field.allowed:
        # A boolean is an int to isinstance, but no key that Feast would have stored.
        kinds = {type(label) for label in field.allowed}
        fits = kinds == ({str} if key.dtype == "string" else {int})
        labels = tuple(label for label in field.allowed if isinstance(label, int | str))
    if not fits:
        raise ConfigError(f"{where}: event field {name!r} is {field.dtype} and cannot hold its values")
    return KeyField(name, key.dtype, labels if field.dtype == "category" else None)


def _check_names(settings: FeatureSettings, services: Iterable[ServiceDescription]) -> None:
    views = [view for service in services for view in service.views]
    for name, contract in settings.views.items():
        features = {feature.name for view in views if view.name == name for feature in view.features}
        if not features:
            raise ConfigError(f"features.views: no feature view {name!r}; {choices(name, {v.name for v in views})}")
        for feature in contract.defaults:
            if feature not in features:
                raise ConfigError(
                    f"features.views.{name}.defaults: no feature {feature!r}; {choices(feature, features)}"
                )
    keys = {key.event_name for view in views for key in view.join_keys}
    for name in settings.entities:
        if name not in keys:
            raise ConfigError(f"features.entities: no join key {name!r}; {choices(name, keys)}")


def _check_inputs(
    event: EventSettings, variants: Mapping[str, VariantSettings], services: Mapping[str, ServiceDescription]
) -> None:
    for variant, settings in variants.items():
        for tensor, wanted in settings.inputs.items():
            for name in (wanted,) if isinstance(wanted, str) else wanted:
                if ":" in name and name not in event.fields:
                    service = None if settings.feature_service is None else services[settings.feature_service]
                    _check_input(f"variant {variant!r}, model input {tensor!r}", name, service)


def _check_input(where: str, name: str, service: ServiceDescription | None) -> None:
    if service is None:
        raise ConfigError(f"{where} takes feature {name!r}, but the variant names no feature_service")
    dtype = service.dtypes.get(name)
    if dtype is None:
        raise ContractError(
            f"{where} takes {name!r}, which feature service {service.name!r} does not hold; "
            f"{choices(name, service.dtypes)}"
        )
    if name not in service.numeric:
        raise ContractError(f"{where} takes {name!r}, which is {dtype} in Feast and cannot be a float32")
