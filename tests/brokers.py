"""A real Apache Kafka on loopback: one KRaft node in one JVM, its jars from Maven, no Docker, no root."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Protocol

from streamapp.demo.child import ChildProcess

DEFAULT_VERSIONS = "4.4.0,3.9.2"
"""The current 4.x and the last 3.x."""
_STARTED = "Kafka Server started"
_START_S = 60.0
_MAVEN_S = 300.0

_POM = """<project>
  <modelVersion>4.0.0</modelVersion>
  <groupId>streamapp</groupId>
  <artifactId>kafka-for-tests</artifactId>
  <version>1</version>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>{version}</version></dependency>
    <dependency><groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>1.7.36</version></dependency>
  </dependencies>
</project>
"""

_PROPERTIES = """process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={data}
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
broker.heartbeat.interval.ms=300
broker.session.timeout.ms=1000
"""

_BEHIND_A_PROXY = """listeners=PLAINTEXT://127.0.0.1:{port},PROXIED://127.0.0.1:{proxied},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port},PROXIED://127.0.0.1:{proxy}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,PROXIED:PLAINTEXT,CONTROLLER:PLAINTEXT
"""
"""A listener of its own for clients that come through a proxy, as clients go where the broker says it is."""


class Broker(Protocol):
    """What a test needs to know of a broker."""

    @property
    def bootstrap_servers(self) -> str:
        """host:port."""
        ...


class KafkaMissing(Exception):
    """Java, Maven or the jars are not there."""


class KafkaFailed(Exception):
    """The broker was launched and did not come up; the message ends with its log."""


class ApacheKafka:
    """One broker on free loopback ports, with its data and log in `folder`.

    `stop` (or `kill`) and `start` again keep port and data, so a test can take the broker away and bring it back.
    """

    def __init__(
        self, version: str, folder: Path, *, heap: str = "512m", properties: str = "", proxy_port: int | None = None
    ) -> None:
        """proxy_port: where a proxy on loopback listens whose clients must be sent back to it; the proxy connects
        to `proxied_port`."""
        self.version = version
        self.log = folder / "kafka.log"
        self._config = folder / "server.properties"
        self._data = folder / "data"
        self._heap = heap
        self._port, controller, self.proxied_port = _free_ports(3)
        text = _PROPERTIES.format(port=self._port, controller=controller, data=self._data)
        if proxy_port is not None:
            text += _BEHIND_A_PROXY.format(
                port=self._port, controller=controller, proxied=self.proxied_port, proxy=proxy_port
            )
        self._config.write_text(text + properties)
        self._child: ChildProcess | None = None

    @property
    def bootstrap_servers(self) -> str:
        """host:port."""
        return f"127.0.0.1:{self._port}"

    @property
    def pid(self) -> int:
        """Process id of the running broker."""
        if self._child is None:
            raise KafkaFailed("the broker is not running")
        return self._child.pid

    def start(self) -> None:
        """Start it and return once it serves. Raises `KafkaMissing` and `KafkaFailed`."""
        libs = jars(self.version)
        if not self._data.exists():
            self._format(libs)
        seen = self.log.read_text(errors="replace").count(_STARTED) if self.log.exists() else 0
        self._child = ChildProcess([*self._java(libs), "kafka.Kafka", str(self._config)], log=self.log)
        deadline = time.monotonic() + _START_S
        while self.log.read_text(errors="replace").count(_STARTED) == seen:
            if self._child.wait(0.05) or time.monotonic() > deadline:
                self.kill()
                raise KafkaFailed(f"Kafka {self.version} did not start; its log ends with:\n{self.tail()}")

    def stop(self) -> None:
        """End it in order; safe to call twice."""
        if self._child is not None:
            self._child.stop(grace_s=10.0)
            self._child = None

    def kill(self) -> None:
        """End it with SIGKILL."""
        if self._child is not None:
            self._child.stop(grace_s=0.0)
            self._child = None

    def suspend(self) -> None:
        """Freeze it (SIGSTOP): connections stay, nothing answers."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let a frozen broker go on (SIGCONT)."""
        os.kill(self.pid, signal.SIGCONT)

    def tail(self, lines: int = 40) -> str:
        """The end of the broker's log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:]) if self.log.exists() else ""

    def __enter__(self) -> "ApacheKafka":
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _java(self, libs: Path) -> list[str]:
        simple = "-Dorg.slf4j.simpleLogger."
        levels = [f"{simple}defaultLogLevel=warn", f"{simple}log.kafka.server.KafkaRaftServer=info"]
        return ["java", f"-Xms{self._heap}", f"-Xmx{self._heap}", *levels, "-cp", f"{libs}/*"]

    def _format(self, libs: Path) -> None:
        command = ["kafka.tools.StorageTool", "format", "-t", "MkU3OEVBNTcwNTJENDM2Qk", "-c", str(self._config)]
        done = subprocess.run([*self._java(libs), *command], capture_output=True, text=True, check=False)
        if done.returncode:
            raise KafkaFailed(
                f"the storage of Kafka {self.version} could not be formatted:\n{done.stdout}{done.stderr}"
            )


def versions() -> list[str]:
    """Versions to test against: `STREAMAPP_KAFKA_VERSIONS`, comma-separated."""
    return os.environ.get("STREAMAPP_KAFKA_VERSIONS", DEFAULT_VERSIONS).split(",")


def jars(version: str) -> Path:
    """The folder with the jars of one version, fetched once per user. Raises `KafkaMissing`."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "streamapp" / "kafka"
    libs = cache / version / "libs"
    for tool in ("java",) if libs.exists() else ("java", "mvn"):
        if shutil.which(tool) is None:
            raise KafkaMissing(f"{tool} is not on the PATH; install Java 17 or newer, and Maven")
    if not libs.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as scratch:
            _fetch(version, Path(scratch))
            (cache / version).mkdir(exist_ok=True)
            if not libs.exists():
                (Path(scratch) / "libs").rename(libs)
    return libs


def _fetch(version: str, folder: Path) -> None:
    (folder / "pom.xml").write_text(_POM.format(version=version))
    command = ["mvn", "-q", "-B", "-f", str(folder / "pom.xml"), "dependency:copy-dependencies"]
    done = subprocess.run(
        [*command, f"-DoutputDirectory={folder / 'libs'}"],
        capture_output=True,
        text=True,
        timeout=_MAVEN_S,
        check=False,
    )
    if done.returncode:
        raise KafkaMissing(f"Maven could not fetch Kafka {version}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")


def _free_ports(count: int) -> list[int]:
    """Ports nobody listens on; held open together, so that they differ."""
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]
    finally:
        for probe in probes:
            probe.close()
