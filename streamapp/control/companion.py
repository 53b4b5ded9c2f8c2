"""What makes a worker follow its control log: everything that `ControlDuty` needs, over Kafka."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from streamapp.clock import SystemClock
from streamapp.config.settings import ControlSettings, PipelineSettings
from streamapp.control.artefacts import RegistryArtefacts
from streamapp.control.declared import declared_variants
from streamapp.control.duty import ControlDuty
from streamapp.control.enforce import Builder, Enforcer
from streamapp.control.registrar import Registrar
from streamapp.control.witness import EvidenceWitness
from streamapp.kafka.client import connection
from streamapp.kafka.control import ControlConnection
from streamapp.kafka.control_topics import ControlTopics
from streamapp.kafka.worker import Worker
from streamapp.models import Registry
from streamapp.observe.gather import EvidenceGatherer
from streamapp.pipeline import Pipeline
from streamapp.types import Tenant

CLOSE_S = 2.0
"""How long the last report may take to be sent."""


def registry_address(control: ControlSettings, base: Path) -> str:
    """Where the registry of a pipeline is whose file lies in `base`."""
    return control.registry if "://" in control.registry else str(base / control.registry)


def registry_of(control: ControlSettings, base: Path) -> Registry:
    """The registry there."""
    return Registry(registry_address(control, base))


def control_topics(settings: PipelineSettings) -> ControlTopics:
    """The control topics of a pipeline."""
    prefix = settings.control.topic if settings.control is not None else None
    return ControlTopics.of(prefix or settings.name)


@contextmanager
def artefacts_of(settings: PipelineSettings, base: Path) -> Iterator[RegistryArtefacts | None]:
    """Where the versions come from that the file does not name; None without control."""
    control = settings.control
    if control is None:
        yield None
    elif control.cache is not None:
        yield RegistryArtefacts(registry_of(control, base), base / control.cache)
    else:
        with tempfile.TemporaryDirectory(prefix="streamapp-models-") as folder:
            yield RegistryArtefacts(registry_of(control, base), Path(folder))


class ControlCompanion:
    """The `Companion` of a worker whose pipeline is under control. base: the folder of its file."""

    def __init__(
        self,
        settings: PipelineSettings,
        control: ControlSettings,
        base: Path,
        pipeline: Pipeline,
        builder: Builder,
        gatherer: EvidenceGatherer,
        worker: Worker,
    ) -> None:
        self._wait_s = settings.worker.broker_wait_s
        declared = declared_variants(settings)
        self._connection = ControlConnection(connection(settings.kafka), control_topics(settings))
        enforcer = Enforcer(builder, pipeline.serve, {slot: Tenant(each.wiring) for slot, each in declared.items()})
        self.duty = ControlDuty(
            self._connection.log,
            self._connection.snapshots,
            self._connection.reports,
            enforcer,
            EvidenceWitness(gatherer),
            SystemClock(),
            None if control.alias is None else Registrar(registry_of(control, base), control.alias),
            declared=declared,
            # Kafka elects the leader: it gives this partition to one worker at a time.
            leads=lambda: worker.holds(settings.source.topics[0], 0),
            report_interval_s=control.report_interval_s,
        )

    async def join(self) -> None:
        """See `ControlDuty.join`; waits for the broker first."""
        await self._connection.prepare(self._wait_s)
        await self.duty.join()

    async def run(self) -> None:
        """See `ControlDuty.run`."""
        await self.duty.run()

    async def leave(self) -> None:
        """See `ControlDuty.leave`; the connections are closed."""
        await self.duty.leave()
        await self._connection.close(CLOSE_S)
