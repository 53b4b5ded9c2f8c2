"""A broker that a case has for itself, to break it, and what can be changed about a topic while it is used."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from tests.brokers import ApacheKafka
from tests.faults.proxy import Proxy
from tests.faults.trial import Trial


@contextmanager
def own_broker(trial: Trial, *, proxy: Proxy | None = None) -> Iterator[ApacheKafka]:
    """A broker of the trial's version; `proxy`, which runs already, leads to it."""
    folder = trial.folder.parent / "kafka"
    folder.mkdir()
    broker = ApacheKafka(trial.kafka, folder, proxy_port=proxy.port if proxy is not None else None)
    if proxy is not None:
        proxy.connect_to(broker.proxied_port)
    with broker:
        yield broker


async def configure(bootstrap_servers: str, topic: str, settings: Mapping[str, str]) -> None:
    """Give `topic` these settings and no others."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers)
    await admin.start()
    try:
        resource = ConfigResource(ConfigResourceType.TOPIC, topic, configs=dict(settings))
        for response in await admin.alter_configs([resource]):
            for code, message, *_ in response.resources:
                if code:
                    raise RuntimeError(f"{topic} does not take {dict(settings)}: {message}")
    finally:
        await admin.close()
