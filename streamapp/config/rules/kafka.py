"""The broker connection."""

from collections.abc import Iterator

from streamapp.config.rules.broken import Broken
from streamapp.config.settings import KafkaSettings, PipelineSettings


def rules(settings: PipelineSettings) -> Iterator[Broken]:
    """Credentials fit the protocol, and heartbeats fit the session."""
    yield from _servers(settings.kafka)
    yield from _sasl(settings.kafka)
    yield from _tls(settings.kafka)
    yield from _session(settings.kafka)
    yield from _transactions(settings)


def _servers(kafka: KafkaSettings) -> Iterator[Broken]:
    for server in kafka.bootstrap_servers.split(","):
        host, _, port = server.strip().rpartition(":")
        if not host or not port.isdigit() or not 0 < int(port) < 65536:
            yield Broken(
                ("kafka", "bootstrap.servers"), f"`{server.strip()}` is not host:port", "write host:port[,host:port…]"
            )


def _sasl(kafka: KafkaSettings) -> Iterator[Broken]:
    protocol = kafka.security_protocol
    if not protocol.startswith("SASL"):
        given = [
            name
            for name, value in (
                ("sasl.mechanism", kafka.sasl_mechanism),
                ("sasl.username", kafka.sasl_username),
                ("sasl.password", kafka.sasl_password),
            )
            if value is not None
        ]
        if given:
            yield Broken(
                ("kafka", given[0]),
                f"has no effect with security.protocol {protocol}",
                "set security.protocol: SASL_SSL, or remove the sasl.* keys",
            )
        return
    for name, value in (
        ("sasl.mechanism", kafka.sasl_mechanism),
        ("sasl.username", kafka.sasl_username),
        ("sasl.password", kafka.sasl_password and kafka.sasl_password.get_secret_value()),
    ):
        if not value:
            yield Broken(("kafka", name), "missing" if value is None else "is empty", f"{protocol} needs it")
    if protocol == "SASL_PLAINTEXT" and not kafka.allow_plaintext_sasl:
        yield Broken(
            ("kafka", "security.protocol"),
            "SASL_PLAINTEXT sends the password in the clear",
            "use SASL_SSL, or set allow_plaintext_sasl: true if the network is trusted",
        )


def _tls(kafka: KafkaSettings) -> Iterator[Broken]:
    certificate, key = kafka.ssl_certificate_location, kafka.ssl_key_location
    if not kafka.security_protocol.endswith("SSL"):
        for name, value in (
            ("ssl.ca.location", kafka.ssl_ca_location),
            ("ssl.certificate.location", certificate),
            ("ssl.key.location", key),
        ):
            if value is not None:
                secure = "SASL_SSL" if kafka.security_protocol.startswith("SASL") else "SSL"
                yield Broken(
                    ("kafka", name),
                    f"has no effect with security.protocol {kafka.security_protocol}",
                    f"set security.protocol: {secure}, or remove the key",
                )
    elif (certificate is None) != (key is None):
        there, absent = ("certificate", "key") if key is None else ("key", "certificate")
        yield Broken(
            ("kafka", f"ssl.{there}.location"), f"needs ssl.{absent}.location too", f"add ssl.{absent}.location"
        )


def _session(kafka: KafkaSettings) -> Iterator[Broken]:
    if kafka.heartbeat_interval_ms * 3 > kafka.session_timeout_ms:
        yield Broken(
            ("kafka", "heartbeat.interval.ms"),
            f"{kafka.heartbeat_interval_ms} is more than a third of session.timeout.ms ({kafka.session_timeout_ms})",
            f"set it to at most {kafka.session_timeout_ms // 3}, so that one lost heartbeat costs no partitions",
        )


def _transactions(settings: PipelineSettings) -> Iterator[Broken]:
    interval_s = settings.worker.commit_interval_s
    if settings.delivery == "exactly_once" and interval_s is not None:
        timeout_s = settings.kafka.session_timeout_ms / 1000
        if interval_s > timeout_s / 2:
            yield Broken(
                ("worker", "commit_interval_s"),
                f"{interval_s:g} s is too long for transactions, which time out with the session after {timeout_s:g} s",
                f"set it to at most {timeout_s / 2:g}, or leave it out",
            )
