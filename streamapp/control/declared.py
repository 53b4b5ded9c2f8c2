"""What a pipeline file says, in the words of the control log."""

from collections.abc import Mapping

from streamapp.act.commands import DeclaredVariant
from streamapp.config.settings import PipelineSettings
from streamapp.config.slots import slots_of


def declared_variants(settings: PipelineSettings) -> Mapping[str, DeclaredVariant]:
    """Every slot of the pipeline; a canary slot is wired like the variant it belongs to and answers nothing."""
    found = {}
    for slot, wiring in slots_of(settings).items():
        variant = settings.variants[wiring]
        own = slot == wiring
        found[slot] = DeclaredVariant(
            wiring=wiring,
            model=variant.model.name,
            version=variant.model.version,
            weight=variant.weight if own else 0.0,
            shadow=variant.shadow if own else 0.0,
        )
    return found
