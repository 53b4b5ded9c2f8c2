"""The model registry, as far as a rollout asks it."""

from collections.abc import Mapping

from streamapp.config.settings import EventSettings, VariantSettings
from streamapp.infer.contract import check_contract
from streamapp.infer.sources import declared_features
from streamapp.models import Registry


class RegistryVersions:
    """The `Versions` of a pipeline. variants: as its file has them."""

    def __init__(self, registry: Registry, variants: Mapping[str, VariantSettings], event: EventSettings) -> None:
        self._registry = registry
        self._variants = variants
        self._event = event

    def resolve(self, model: str, reference: str) -> str:
        """The version that is meant, by its own name or by an alias. Raises `UnknownVersion`."""
        return self._registry.resolve(model, reference)

    def feature_service(self, model: str, version: str) -> str | None:
        """The feature service that the version was trained with. Raises `UnknownVersion`."""
        contract = self._registry.version(model, version).feature_service
        return None if contract is None else contract.service

    def check(self, model: str, version: str, wiring: str) -> None:
        """Raises `UnknownVersion`, `IntegrityError` for files that are not what they were, `ContractError` for a
        signature that does not fit."""
        manifest = self._registry.verify(model, version)
        variant = self._variants[wiring]
        names = declared_features(variant.inputs)
        check_contract(f"{model} {version}, wired like {wiring}", variant, manifest.signature, self._event, names)
