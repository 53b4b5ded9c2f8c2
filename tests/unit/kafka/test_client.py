import ssl
from pathlib import Path
from typing import Any

import pytest

from streamapp.config.settings import KafkaSettings
from streamapp.errors import ConfigError
from streamapp.kafka.client import connection

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
    with pytest.raises(ConfigError, match="does not use them") as caught:
        connection(kafka(**{"security.protocol": protocol}, **SASL))
    assert "hush" not in str(caught.value)


def test_certificates_that_would_not_be_used_are_refused() -> None:
    with pytest.raises(ConfigError, match="does not use them"):
        connection(kafka(**{"ssl.ca.location": "ca.pem"}))


@pytest.mark.parametrize("setting", ["ssl.ca.location", "ssl.certificate.location"])
def test_a_certificate_that_cannot_be_loaded_is_named(setting: str, tmp_path: Path) -> None:
    broken = tmp_path / "broken.pem"
    broken.write_text("not a certificate")
    with pytest.raises(ConfigError, match=r"broken\.pem"):
        connection(kafka(**{"security.protocol": "SSL", setting: str(broken)}))


def test_a_key_needs_its_certificate() -> None:
    with pytest.raises(ConfigError, match=r"ssl\.certificate\.location"):
        connection(kafka(**{"security.protocol": "SSL", "ssl.key.location": "key.pem"}))


def test_a_request_outlasts_the_session() -> None:
    assert connection(kafka(**{"session.timeout.ms": 60_000}))["request_timeout_ms"] > 60_000
