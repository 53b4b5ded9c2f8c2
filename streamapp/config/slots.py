"""What a worker can serve side by side: the declared variants and, under control, a canary beside lone ones."""

from collections import Counter
from collections.abc import Mapping

from streamapp.config.settings import PipelineSettings

CANARY = "-canary"


def slots_of(settings: PipelineSettings) -> Mapping[str, str]:
    """Slot -> its wiring, a declared variant, in the order of every per-variant tuple.

    The declared variants, each wired as itself. With `control`, after them `<variant>-canary` for every model that
    exactly one variant serves: a rollout needs two to move keys between, and is wired like the first.
    """
    slots = {name: name for name in settings.variants}
    if settings.control is None:
        return slots
    served = Counter(variant.model.name for variant in settings.variants.values())
    lone = (name for name, variant in settings.variants.items() if served[variant.model.name] == 1)
    return slots | {name + CANARY: name for name in lone}
