"""The connection settings as aiokafka takes them. Nothing here prints or keeps a secret."""

import importlib.util
import logging
from typing import Any

from streamapp.config.problems import dotted
from streamapp.config.rules.kafka import connection_rules
from streamapp.config.settings import KafkaSettings
from streamapp.errors import ConfigError
from streamapp.kafka.tls import tls_context
from streamapp.kafka.tokens import token_source

REQUEST_TIMEOUT_MS = 30_000


def connection(settings: KafkaSettings) -> dict[str, Any]:
    """Keyword arguments shared by aiokafka's consumer, producer and admin client.

    Raises `ConfigError` for a combination that cannot work or would send a password in the clear, and for certificates
    and keys that cannot be loaded.
    """
    for broken in connection_rules(settings):
        raise ConfigError(f"{dotted(broken.path)}: {broken.message}: {broken.remedy}")
    return {
        "bootstrap_servers": [address.strip() for address in settings.bootstrap_servers.split(",")],
        "client_id": settings.client_id,
        "request_timeout_ms": max(REQUEST_TIMEOUT_MS, settings.session_timeout_ms + 5_000),
        "security_protocol": settings.security_protocol,
        **({"ssl_context": tls_context(settings)} if settings.security_protocol.endswith("SSL") else {}),
        **(_sasl(settings) if settings.security_protocol.startswith("SASL") else {}),
    }


def _sasl(settings: KafkaSettings) -> dict[str, Any]:
    # aiokafka's debug lines hold whole requests, with the password or the token in them.
    logging.getLogger("aiokafka.conn").addFilter(_CREDENTIALS)
    found: dict[str, Any] = {"sasl_mechanism": settings.sasl_mechanism}
    if settings.sasl_mechanism == "OAUTHBEARER":
        return {**found, "sasl_oauth_token_provider": token_source(settings)}
    if settings.sasl_mechanism == "GSSAPI":
        if importlib.util.find_spec("gssapi") is None:
            raise ConfigError(
                "kafka.sasl.mechanism: GSSAPI needs the package `gssapi`: install streamapp[kafka-sasl] (it is built "
                "against the system's Kerberos libraries)"
            )
        return {**found, "sasl_kerberos_service_name": settings.sasl_kerberos_service_name or "kafka"}
    password = settings.sasl_password
    return {
        **found,
        "sasl_plain_username": settings.sasl_username,
        "sasl_plain_password": "" if password is None else password.get_secret_value(),
    }


class _WithoutCredentials(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        """The same line with the bytes of an authentication left out."""
        if isinstance(record.args, tuple):
            record.args = tuple(_hidden(argument) for argument in record.args)
        return True


def _hidden(argument: object) -> object:
    name = type(argument).__name__
    return f"{name}(hidden)" if name.startswith("SaslAuthenticate") else argument


_CREDENTIALS = _WithoutCredentials()
