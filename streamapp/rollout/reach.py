"""What the commands need from outside of this process."""

import getpass
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from streamapp.clock import SystemClock
from streamapp.config.settings import PipelineSettings
from streamapp.control.client import Log
from streamapp.control.companion import control_topics, registry_of
from streamapp.errors import ConfigError
from streamapp.kafka.client import connection
from streamapp.kafka.control import ControlConnection
from streamapp.observe.measures import MEASURES
from streamapp.protocols import Clock
from streamapp.rollout.versions import RegistryVersions

CONNECT_S = 10.0
"""How long a command waits for a broker."""


class Versions(Protocol):
    """The model registry, as far as a rollout asks it."""

    def resolve(self, model: str, reference: str) -> str:
        """The version that `reference` means: a version, an alias or `@alias`. Raises a `StreamappError` where there is
        none."""
        ...

    def feature_service(self, model: str, version: str) -> str | None:
        """The feature service that the version was trained with, None if its manifest names none. Raises a
        `StreamappError` where there is no such version."""
        ...

    def check(self, model: str, version: str, wiring: str) -> None:
        """Raises a `StreamappError` unless the version exists, its artefact is what its manifest says, and its
        signature fits the features, inputs and outputs of the declared variant `wiring`."""
        ...


@dataclass(frozen=True, slots=True)
class Reach:
    """log: opens the control log. evidence: what conditions may name. by: who signs, `user@host`. aliased: whether the
    worker that leads moves an alias in the registry after a promotion."""

    log: Callable[[], AbstractAsyncContextManager[Log]]
    versions: Versions
    evidence: frozenset[str]
    clock: Clock
    by: str
    aliased: bool = False


Reacher = Callable[[PipelineSettings, Path], Reach]
"""From the pipeline and the folder of its file."""


def reach(settings: PipelineSettings, base: Path) -> Reach:
    """What a pipeline under control has. Raises `ConfigError` for one that is not."""
    control = settings.control
    if control is None:
        raise ConfigError(
            f"pipeline `{settings.name}` is not under control: its variants serve for as long as a worker lives\n"
            "  -> add `control: {registry: models}` to its file, where `models` is the model registry, and start its "
            "workers again"
        )
    versions = RegistryVersions(registry_of(control, base), settings.variants, settings.event)
    return Reach(lambda: _log(settings), versions, frozenset(MEASURES), SystemClock(), who(), control.alias is not None)


@asynccontextmanager
async def _log(settings: PipelineSettings) -> AsyncIterator[Log]:
    opened = ControlConnection(connection(settings.kafka), control_topics(settings))
    await opened.prepare(CONNECT_S)
    try:
        yield opened.log
    finally:
        await opened.close(CONNECT_S)


def who() -> str:
    """Who signs a command: `user@host`."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError):
        # A container whose user id has no name.
        user = "unknown"
    return f"{user}@{socket.gethostname()}"
