"""Load models, check them against the pipeline, warm them up."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from streamapp.config.settings import EventSettings, VariantSettings
from streamapp.errors import ModelError
from streamapp.infer.lane import Lane
from streamapp.infer.loading import load_runtime
from streamapp.infer.runner import ModelInferrer
from streamapp.infer.sources import declared_features
from streamapp.protocols import Runtime


def build_inferrer(variants: Mapping[str, VariantSettings], event: EventSettings, base: Path) -> ModelInferrer:
    """Models ready to score, in the order of `variants`; model paths are relative to `base`.

    Feature names are taken as `inputs` spells them; `check_contract` compares them with what the feature service
    really gives. Raises `ModelLoadError`, `ContractError`; nothing stays loaded then.
    """
    lanes: dict[str, Lane] = {}
    with ExitStack() as loaded:
        for name, variant in variants.items():
            try:
                runtime = load_runtime(variant, base)
            except ModelError as error:
                raise type(error)(f"variant `{name}`: {error}") from error
            lanes[name] = warm_lane(name, variant, event, runtime, declared_features(variant.inputs))
            loaded.callback(lanes[name].close)
        loaded.pop_all()
    return ModelInferrer(lanes)


def warm_lane(
    name: str, variant: VariantSettings, event: EventSettings, runtime: Runtime, features: Sequence[str]
) -> Lane:
    """A model that is ready to score, called `name` in errors; it owns `runtime`.

    features: what its blocks hold, as `view:feature`. Raises `ContractError`; `runtime` is closed then.
    """
    with ExitStack() as loaded:
        loaded.callback(runtime.close)
        lane = Lane(name, variant, event, runtime)
        lane.warm_up(tuple(features))
        loaded.pop_all()
    return lane
