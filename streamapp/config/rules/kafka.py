"""The broker connection."""

from collections.abc import Iterator
from urllib.parse import urlsplit

from streamapp.config.rules.broken import Broken
from streamapp.config.settings import KafkaSettings, PipelineSettings

_OAUTH = "sasl.oauthbearer."
_PASSWORD_KEYS = ("sasl.username", "sasl.password")
_ENDPOINT_KEYS = (f"{_OAUTH}client.id", f"{_OAUTH}client.secret")


def rules(settings: PipelineSettings) -> Iterator[Broken]:
    """Credentials fit the protocol, heartbeats the session, and what is read and committed the delivery."""
    yield from connection_rules(settings.kafka)
    yield from _session(settings.kafka)
    yield from _isolation(settings)
    yield from _transactions(settings)


def connection_rules(kafka: KafkaSettings) -> Iterator[Broken]:
    """Credentials and certificates fit the protocol, and nothing secret goes in the clear unless that was said."""
    yield from _servers(kafka)
    yield from _sasl(kafka)
    yield from _tls(kafka)


def _servers(kafka: KafkaSettings) -> Iterator[Broken]:
    for server in kafka.bootstrap_servers.split(","):
        host, _, port = server.strip().rpartition(":")
        at = ("kafka", "bootstrap.servers")
        if "@" in host or "/" in host:
            yield Broken(at, "holds a scheme or credentials", "write host:port; credentials go to the sasl.* keys")
        elif not host or not port.isdigit() or not 0 < int(port) < 65536:
            yield Broken(at, f"`{server.strip()}` is not host:port", "write host:port[,host:port…]")


def _sasl(kafka: KafkaSettings) -> Iterator[Broken]:
    protocol, mechanism = kafka.security_protocol, kafka.sasl_mechanism
    if not protocol.startswith("SASL"):
        given = _given(kafka, "sasl.", "https.")
        if given:
            yield Broken(
                ("kafka", given[0]),
                f"has no effect with security.protocol {protocol}",
                "set security.protocol: SASL_SSL, or remove the sasl.* keys",
            )
        return
    if mechanism is None:
        yield Broken(("kafka", "sasl.mechanism"), "missing", f"{protocol} needs it")
    elif mechanism == "OAUTHBEARER":
        yield from _oauth(kafka)
    elif mechanism != "GSSAPI":
        yield from _needed(kafka, _PASSWORD_KEYS, f"sasl.mechanism {mechanism}")
    yield from _of_another_mechanism(kafka)
    if protocol == "SASL_PLAINTEXT" and not kafka.allow_plaintext_sasl:
        yield Broken(
            ("kafka", "security.protocol"),
            "SASL_PLAINTEXT sends the credentials in the clear",
            "use SASL_SSL, or set allow_plaintext_sasl: true if the network is trusted",
        )


def _oauth(kafka: KafkaSettings) -> Iterator[Broken]:
    name = f"{_OAUTH}token.endpoint.url"
    yield from _needed(kafka, (name,), "sasl.mechanism OAUTHBEARER")
    url = kafka.sasl_oauthbearer_token_endpoint_url
    if not url:
        return
    parts = urlsplit(url)
    if parts.scheme not in ("https", "http", "file") or (parts.scheme == "file") == bool(parts.netloc):
        yield Broken(("kafka", name), "is no https: or file: address", "write https://host/path or file:///path")
    elif parts.username or parts.password:
        yield Broken(("kafka", name), "holds credentials", f"move them to {' and '.join(_ENDPOINT_KEYS)}")
    elif parts.scheme == "file":
        for given in _given(kafka, *_ENDPOINT_KEYS, f"{_OAUTH}scope", "https.ca"):
            yield Broken(("kafka", given), "has no effect with a token from a file", "remove it")
    else:
        yield from _needed(kafka, _ENDPOINT_KEYS, "a token endpoint")
        if parts.scheme == "http" and not kafka.allow_plaintext_sasl:
            yield Broken(
                ("kafka", name),
                "sends the client secret in the clear",
                "use https://, or set allow_plaintext_sasl: true if the network is trusted",
            )


def _of_another_mechanism(kafka: KafkaSettings) -> Iterator[Broken]:
    families = {"OAUTHBEARER": (_OAUTH, "https."), "GSSAPI": ("sasl.kerberos.",)}
    own = families.get(kafka.sasl_mechanism or "", _PASSWORD_KEYS)
    for family in (_PASSWORD_KEYS, *families.values()):
        if family != own and kafka.sasl_mechanism is not None:
            for name in _given(kafka, *family):
                yield Broken(("kafka", name), f"has no effect with sasl.mechanism {kafka.sasl_mechanism}", "remove it")


def _given(kafka: KafkaSettings, *prefixes: str) -> list[str]:
    """Keys beginning like this that have a value, by their written names."""
    keys = ((attribute, info.alias or attribute) for attribute, info in KafkaSettings.model_fields.items())
    return [name for attribute, name in keys if name.startswith(prefixes) and getattr(kafka, attribute) is not None]


def _needed(kafka: KafkaSettings, names: tuple[str, ...], by: str) -> Iterator[Broken]:
    for name in names:
        value = getattr(kafka, name.replace(".", "_"))
        # A SecretStr is empty if its secret is.
        if value is None or not len(value):
            yield Broken(("kafka", name), "missing" if value is None else "is empty", f"{by} needs it")


def _tls(kafka: KafkaSettings) -> Iterator[Broken]:
    if not kafka.security_protocol.endswith("SSL"):
        secure = "SASL_SSL" if kafka.security_protocol.startswith("SASL") else "SSL"
        for name in (n for n in _given(kafka, "ssl.") if n != "ssl.endpoint.identification.algorithm"):
            yield Broken(
                ("kafka", name),
                f"has no effect with security.protocol {kafka.security_protocol}",
                f"set security.protocol: {secure}, or remove the key",
            )
    elif (kafka.ssl_certificate_location is None) != (kafka.ssl_key_location is None):
        there, absent = ("certificate", "key") if kafka.ssl_key_location is None else ("key", "certificate")
        yield Broken(
            ("kafka", f"ssl.{there}.location"), f"needs ssl.{absent}.location too", f"add ssl.{absent}.location"
        )
    elif kafka.ssl_key_password is not None and kafka.ssl_key_location is None:
        yield Broken(("kafka", "ssl.key.password"), "has no effect without ssl.key.location", "add ssl.key.location")


def _session(kafka: KafkaSettings) -> Iterator[Broken]:
    if kafka.heartbeat_interval_ms * 3 > kafka.session_timeout_ms:
        yield Broken(
            ("kafka", "heartbeat.interval.ms"),
            f"{kafka.heartbeat_interval_ms} is more than a third of session.timeout.ms ({kafka.session_timeout_ms})",
            f"set it to at most {kafka.session_timeout_ms // 3}, so that one lost heartbeat costs no partitions",
        )


def _isolation(settings: PipelineSettings) -> Iterator[Broken]:
    if settings.delivery == "exactly_once" and settings.kafka.isolation_level == "read_uncommitted":
        yield Broken(
            ("kafka", "isolation.level"),
            "read_uncommitted answers events that their producer took back, and again those that it then sent anew, "
            "which delivery: exactly_once rules out",
            "remove it (read_committed is what the delivery implies), or set delivery: at_least_once",
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
