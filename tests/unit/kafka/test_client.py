import importlib.util
import logging
import ssl
from typing import Any

import pytest
from aiokafka.protocol.admin import SaslAuthenticateRequest

from streamapp.config.settings import KafkaSettings
from streamapp.errors import ConfigError
from streamapp.kafka.client import connection
from streamapp.kafka.tokens import TokenSource

SASL = {"sasl.mechanism": "SCRAM-SHA-512", "sasl.username": "u", "sasl.password": "hush"}


def kafka(**settings: Any) -> KafkaSettings:
    return KafkaSettings.model_validate(settings)


def test_plaintext_is_the_default() -> None:
    found = connection(kafka(**{"bootstrap.servers": "a:9092, b:9092", "client.id": "me"}))
    assert found["bootstrap_servers"] == ["a:9092", "b:9092"]
    assert found["client_id"] == "me"
    assert found["security_protocol"] == "PLAINTEXT"
    assert "ssl_context" not in found


def test_sasl_over_tls() -> None:
    found = connection(kafka(**{"security.protocol": "SASL_SSL"}, **SASL))
    assert found["security_protocol"] == "SASL_SSL"
    assert found["sasl_mechanism"] == "SCRAM-SHA-512"
    assert (found["sasl_plain_username"], found["sasl_plain_password"]) == ("u", "hush")
    assert found["ssl_context"].verify_mode is ssl.CERT_REQUIRED
    assert found["ssl_context"].check_hostname


def test_sasl_in_the_clear_is_refused_unless_said_so() -> None:
    with pytest.raises(ConfigError, match="allow_plaintext_sasl") as caught:
        connection(kafka(**{"security.protocol": "SASL_PLAINTEXT"}, **SASL))
    assert "hush" not in str(caught.value)
    found = connection(kafka(**{"security.protocol": "SASL_PLAINTEXT"}, allow_plaintext_sasl=True, **SASL))
    assert "ssl_context" not in found


@pytest.mark.parametrize("missing", sorted(SASL))
def test_sasl_needs_all_of_its_settings(missing: str) -> None:
    given = {key: value for key, value in SASL.items() if key != missing}
    with pytest.raises(ConfigError, match=r"sasl\.mechanism"):
        connection(kafka(**{"security.protocol": "SASL_SSL"}, **given))


@pytest.mark.parametrize("protocol", ["PLAINTEXT", "SSL"])
def test_credentials_that_would_not_be_used_are_refused(protocol: str) -> None:
    with pytest.raises(ConfigError, match=r"has no effect with security\.protocol") as caught:
        connection(kafka(**{"security.protocol": protocol}, **SASL))
    assert "hush" not in str(caught.value)


def test_certificates_that_would_not_be_used_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"has no effect with security\.protocol"):
        connection(kafka(**{"ssl.ca.location": "ca.pem"}))


def test_a_key_needs_its_certificate() -> None:
    with pytest.raises(ConfigError, match=r"ssl\.certificate\.location"):
        connection(kafka(**{"security.protocol": "SSL", "ssl.key.location": "key.pem"}))


def test_a_request_outlasts_the_session() -> None:
    assert connection(kafka(**{"session.timeout.ms": 60_000}))["request_timeout_ms"] > 60_000


def test_another_host_name_is_allowed_only_if_said_so() -> None:
    name = "ssl.endpoint.identification.algorithm"
    assert connection(kafka(**{"security.protocol": "SSL"}))["ssl_context"].check_hostname
    context = connection(kafka(**{"security.protocol": "SSL", name: "none"}))["ssl_context"]
    assert not context.check_hostname
    assert context.verify_mode is ssl.CERT_REQUIRED


def test_a_token_source_is_made_from_the_names_of_librdkafka() -> None:
    given = {
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "OAUTHBEARER",
        "sasl.oauthbearer.method": "oidc",
        "sasl.oauthbearer.token.endpoint.url": "https://id.example/token",
        "sasl.oauthbearer.client.id": "me",
        "sasl.oauthbearer.client.secret": "hush",
        "sasl.oauthbearer.extensions": "logicalCluster=lkc-1,identityPoolId=pool-1",
    }
    found = connection(kafka(**given))
    source = found["sasl_oauth_token_provider"]
    assert isinstance(source, TokenSource)
    assert source.extensions() == {"logicalCluster": "lkc-1", "identityPoolId": "pool-1"}
    assert "sasl_plain_password" not in found


def test_kerberos_says_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {"security.protocol": "SASL_SSL", "sasl.mechanism": "GSSAPI", "sasl.kerberos.service.name": "broker"}
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"streamapp\[kafka-sasl\]"):
        connection(kafka(**given))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name)
    assert connection(kafka(**given))["sasl_kerberos_service_name"] == "broker"


def test_the_debug_lines_of_an_authentication_hold_no_credentials(caplog: pytest.LogCaptureFixture) -> None:
    connection(kafka(**{"security.protocol": "SASL_SSL"}, **SASL))
    request = SaslAuthenticateRequest(b"\0u\0hush").prepare({36: (0, 1)})
    assert "hush" in repr(request)
    with caplog.at_level(logging.DEBUG, "aiokafka.conn"):
        logging.getLogger("aiokafka.conn").debug("Request to %s:%d %d: %s", "a", 1, 2, request)
    assert caplog.messages == ["Request to a:1 2: SaslAuthenticateRequest_v1(hidden)"]
