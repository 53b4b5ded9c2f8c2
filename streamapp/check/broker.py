"""The broker can be connected to and answers, the topics fit, and the metrics port is free."""

import asyncio
import socket
from collections.abc import Iterator, Mapping

from streamapp.check.finding import Finding, attempt, error, ok, warning
from streamapp.config.settings import KafkaSettings, MetricsSettings, PipelineSettings
from streamapp.errors import ConfigError, StreamappError
from streamapp.kafka.client import connection
from streamapp.kafka.topics import connect, topic_names
from streamapp.kafka.transaction_check import check_transactions

WAIT_S = 5.0
"""How long a check waits for a broker at most; a worker waits all of `worker.broker_wait_s`."""
_LIMIT_S = 20.0


def check_connection(kafka: KafkaSettings) -> list[Finding]:
    """Whether the certificates and keys can be loaded, and whether a start skips events. No broker is needed."""

    def secured() -> str:
        connection(kafka)
        mechanism = f", {kafka.sasl_mechanism}" if kafka.sasl_mechanism else ""
        return f"{kafka.security_protocol}{mechanism} to {kafka.bootstrap_servers}"

    findings = [attempt("kafka", secured)]
    if kafka.auto_offset_reset == "latest":
        findings.append(
            warning(
                "kafka",
                "auto.offset.reset is latest: what arrives before the first commit of a partition is skipped, also on "
                "partitions that are added later, and where a worker dies before it",
                "set it to earliest unless that may be",
            )
        )
    return findings


def check_broker(settings: PipelineSettings) -> list[Finding]:
    """Whether the broker answers, and one finding per topic."""
    servers = settings.kafka.bootstrap_servers
    remedy = "start the broker, or correct the kafka section (--offline leaves the broker out)"
    try:
        found = asyncio.run(asyncio.wait_for(_partitions(settings), _LIMIT_S))
    except ConfigError as raised:  # the broker is there and refuses; what to do about it is said
        return [error("broker", str(raised))]
    except StreamappError as raised:
        return [error("broker", str(raised), remedy)]
    except asyncio.TimeoutError:
        return [error("broker", f"{servers} did not answer within {_LIMIT_S:g} s", remedy)]
    except Exception as raised:  # noqa: BLE001 - whatever the client cannot do with this broker is the finding
        return [error("broker", f"{servers}: {type(raised).__name__}: {raised}", "check the kafka section")]
    return [ok("broker", f"{servers} answers"), *_check_topics(settings, found), *_check_delivery(settings, found)]


def _check_delivery(settings: PipelineSettings, found: Mapping[str, int]) -> Iterator[Finding]:
    if settings.delivery != "exactly_once":
        return
    try:
        asyncio.run(check_transactions(settings, connection(settings.kafka), found))
    except StreamappError as raised:
        yield error("delivery", str(raised), "see docs/delivery.md")
    else:
        yield ok("delivery", "the broker has transactions")


async def _partitions(settings: PipelineSettings) -> Mapping[str, int]:
    admin = await connect(connection(settings.kafka), min(WAIT_S, settings.worker.broker_wait_s))
    try:
        # All topics, not these: a broker with auto.create.topics.enable creates what it is asked about by name.
        described = await admin.describe_topics()
        return {topic["topic"]: len(topic["partitions"]) for topic in described if topic["error_code"] == 0}
    finally:
        await admin.close()


def _check_topics(settings: PipelineSettings, found: Mapping[str, int]) -> Iterator[Finding]:
    inputs, outputs = topic_names(settings)
    size = max((found[topic] for topic in settings.source.topics if topic in found), default=0)
    for topic in inputs:
        yield _present(topic, found[topic]) if topic in found else _absent(topic, size)
    for topic in outputs:
        if topic in found:
            yield _present(topic, found[topic])
        elif settings.worker.auto_create_topics:
            yield ok(f"topic {topic}", f"absent; the worker creates it with {size or 'the input’s'} partitions")
        else:
            yield _absent(topic, size, " or set `worker.auto_create_topics: true`")
    yield from _compare(settings, found, size)


def _present(topic: str, partitions: int) -> Finding:
    return ok(f"topic {topic}", f"{partitions} partitions")


def _absent(topic: str, size: int, otherwise: str = "") -> Finding:
    partitions = f" with {size} partitions" if size else ""
    return error(f"topic {topic}", "does not exist", f"create it{partitions},{otherwise} or correct the name")


def _compare(settings: PipelineSettings, found: Mapping[str, int], size: int) -> Iterator[Finding]:
    topic = settings.predictions.topic
    if size and found.get(topic, size) < size:
        yield warning(
            f"topic {topic}",
            f"has {found[topic]} partitions, the input {size}: partition numbers cannot be kept",
            "records are spread by key instead; for equal numbers create it with as many partitions as the input",
        )
    outcomes = settings.outcomes
    if outcomes is not None and size and found.get(outcomes.topic, size) != size:
        yield warning(
            f"topic {outcomes.topic}",
            f"has {found[outcomes.topic]} partitions, the input {size}: with several workers a label may reach one "
            "that has not seen the event",
            "give both topics the same number of partitions and the same key",
        )


def check_metrics_port(metrics: MetricsSettings) -> list[Finding]:
    """Whether the Prometheus endpoint can listen."""
    if not metrics.enabled or metrics.port == 0:
        return []
    where = f"{metrics.host}:{metrics.port}"
    try:
        family = socket.getaddrinfo(metrics.host, metrics.port, type=socket.SOCK_STREAM)[0][0]
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((metrics.host, metrics.port))
    except OSError as raised:
        remedy = "stop what listens there, set another `metrics.port`, or 0 for a free one"
        return [error("metrics", f"{where} cannot be used: {raised.strerror or raised}", remedy)]
    return [ok("metrics", f"{where} is free")]
