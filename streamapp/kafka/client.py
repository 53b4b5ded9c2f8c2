"""The connection settings as aiokafka takes them. Nothing here prints or keeps a secret."""

import ssl
from typing import Any

from streamapp.config.settings import KafkaSettings
from streamapp.errors import ConfigError

REQUEST_TIMEOUT_MS = 30_000


def connection(settings: KafkaSettings) -> dict[str, Any]:
    """Keyword arguments shared by aiokafka's consumer, producer and admin client.

    Raises `ConfigError` for a combination that cannot work or would send a password in the clear.
    """
    return {
        "bootstrap_servers": [address.strip() for address in settings.bootstrap_servers.split(",")],
        "client_id": settings.client_id,
        "request_timeout_ms": max(REQUEST_TIMEOUT_MS, settings.session_timeout_ms + 5_000),
        **_security(settings),
    }


def _security(settings: KafkaSettings) -> dict[str, Any]:
    protocol = settings.security_protocol
    found: dict[str, Any] = {"security_protocol": protocol}
    if protocol in ("SSL", "SASL_SSL"):
        found["ssl_context"] = _ssl_context(settings)
    elif settings.ssl_ca_location or settings.ssl_certificate_location:
        raise ConfigError(
            f"kafka: certificates are given but `security.protocol` is {protocol}, which does not use them: "
            "set it to SSL or SASL_SSL"
        )
    if protocol in ("SASL_PLAINTEXT", "SASL_SSL"):
        found |= _sasl(settings)
    elif settings.sasl_mechanism or settings.sasl_username or settings.sasl_password:
        raise ConfigError(
            f"kafka: SASL credentials are given but `security.protocol` is {protocol}, which does not use them: "
            "set it to SASL_SSL"
        )
    return found


def _sasl(settings: KafkaSettings) -> dict[str, Any]:
    if settings.security_protocol == "SASL_PLAINTEXT" and not settings.allow_plaintext_sasl:
        raise ConfigError(
            "kafka: `security.protocol: SASL_PLAINTEXT` would send the credentials in the clear: use SASL_SSL, "
            "or say `allow_plaintext_sasl: true` if that is what you want"
        )
    if settings.sasl_mechanism is None or settings.sasl_username is None or settings.sasl_password is None:
        raise ConfigError(
            f"kafka: `security.protocol: {settings.security_protocol}` needs `sasl.mechanism`, `sasl.username` "
            "and `sasl.password`"
        )
    return {
        "sasl_mechanism": settings.sasl_mechanism,
        "sasl_plain_username": settings.sasl_username,
        "sasl_plain_password": settings.sasl_password.get_secret_value(),
    }


def _ssl_context(settings: KafkaSettings) -> ssl.SSLContext:
    """Verifies the broker's certificate and host name, against the given authority or the system's."""
    certificate, key = settings.ssl_certificate_location, settings.ssl_key_location
    if key is not None and certificate is None:
        raise ConfigError("kafka: `ssl.key.location` needs `ssl.certificate.location`")
    try:
        context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=settings.ssl_ca_location)
        if certificate is not None:
            context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        files = [str(path) for path in (settings.ssl_ca_location, certificate, key) if path is not None]
        raise ConfigError(f"kafka: cannot load the certificates {', '.join(files)}: {error}") from error
    return context
