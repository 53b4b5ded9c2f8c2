"""What is under control: slots have names of their own, and nothing secret stands in the registry's address."""

from collections.abc import Iterator

from streamapp.config.rules.broken import Broken
from streamapp.config.settings import PipelineSettings
from streamapp.config.slots import CANARY, slots_of


def rules(settings: PipelineSettings) -> Iterator[Broken]:
    """No variant has the name of a canary; the registry's address is one."""
    if settings.control is None:
        return
    for slot, wiring in slots_of(settings).items():
        if slot != wiring and slot in settings.variants:
            yield Broken(
                ("variants", slot),
                f"is what the canary of variant `{wiring}` is called",
                f"give it another name, or its model the name of `{wiring}`'s (control makes `<variant>{CANARY}` for "
                "every model that one variant serves)",
            )
    _, scheme, rest = settings.control.registry.partition("://")
    if scheme and "@" in rest.partition("/")[0]:
        yield Broken(
            ("control", "registry"),
            "holds credentials",
            "give them where its file system looks for them: environment, configuration file or role",
        )
