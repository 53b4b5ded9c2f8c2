"""A real Apache Kafka, and a second way to it through a proxy."""

from pathlib import Path
from types import TracebackType

from tests.brokers import ApacheKafka
from tests.faults.proxy import Proxy


class ProxiedKafka(ApacheKafka):
    """Clients that find it through `proxied_servers` come through `proxy`, all others directly."""

    def __init__(self, version: str, folder: Path) -> None:
        self.proxy = Proxy()
        self.proxy.start()
        super().__init__(version, folder, proxy_port=self.proxy.port)
        self.proxy.connect_to(self.proxied_port)

    @property
    def proxied_servers(self) -> str:
        """host:port of the proxy."""
        return f"127.0.0.1:{self.proxy.port}"

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)
        self.proxy.stop()
