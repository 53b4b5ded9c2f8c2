"""Load every variant's model, check it against the pipeline, warm it up."""

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from streamapp.config.settings import EventSettings, VariantSettings
from streamapp.errors import ModelError
from streamapp.infer.lane import Lane
from streamapp.infer.loading import load_runtime
from streamapp.infer.runner import ModelInferrer
from streamapp.infer.sources import declared_features


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
            loaded.callback(runtime.close)
            lane = Lane(name, variant, event, runtime)
            lane.warm_up(declared_features(variant.inputs))
            lanes[name] = lane
        loaded.pop_all()
    return ModelInferrer(lanes)
