"""What a broker refuses is said at once: what, where, and what to do."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from streamapp.config.settings import KafkaSettings
from streamapp.errors import BrokerUnavailable, ConfigError
from streamapp.kafka.client import connection
from streamapp.kafka.topics import connect
from tests.certificates import Authority, Pair
from tests.secure_kafka import SecureKafka
from tests.secure_ways import bearer, in_the_clear, mtls, over_tls, scram, token_file

WAIT_S = 3600.0
SOON_S = 10.0

Way = Callable[[SecureKafka, Path], dict[str, Any]]


def by_name(settings: dict[str, Any]) -> dict[str, Any]:
    """The address by a name that is not in the certificate."""
    return {**settings, "bootstrap.servers": settings["bootstrap.servers"].replace("127.0.0.1", "localhost")}


def expired(kafka: SecureKafka) -> Pair:
    return kafka.authority.sign("late", expired=True)


async def reach(settings: dict[str, Any], wait_s: float = WAIT_S) -> None:
    try:
        admin = await connect(connection(KafkaSettings.model_validate(settings)), wait_s)
        await admin.close()
    finally:
        await hung_up({int(server.rpartition(":")[2]) for server in settings["bootstrap.servers"].split(",")})


async def hung_up(ports: set[int]) -> None:
    """aiokafka does not wait for TLS to say goodbye; a loop that ends before that leaves an open transport behind,
    which is a warning in whichever test comes next."""
    deadline_s = time.monotonic() + SOON_S
    while any(found.raddr and found.raddr.port in ports for found in psutil.Process().net_connections(kind="tcp")):
        assert time.monotonic() < deadline_s, "connections are still open"
        await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("way", "message", "remedy"),
    [
        (lambda k, _: {**scram(k), "sasl.password": "wrong-secret"},
         "does not accept user scorer by SCRAM-SHA-512", "kafka.sasl.password"),
        (lambda k, _: {**scram(k, "PLAIN"), "sasl.password": "wrong-secret"},
         "does not accept user scorer by PLAIN", "kafka.sasl.password"),
        (lambda k, _: scram(k, "SCRAM-SHA-256"), "offers SCRAM-SHA-512, PLAIN, not SCRAM-SHA-256", "sasl.mechanism"),
        (lambda k, f: {**scram(k), "ssl.ca.location": str(Authority(f, "other").path)},
         "shows a certificate that is not signed by a trusted authority", "kafka.ssl.ca.location"),
        (lambda k, _: over_tls(k, "EXPIRED"), "shows a certificate that has expired", "renew it"),
        (lambda k, _: by_name(scram(k)), "shows a certificate that is for another host", "kafka.bootstrap.servers"),
        (lambda k, _: over_tls(k, "MTLS"), "wants a client certificate", "kafka.ssl.certificate.location"),
        (lambda k, f: mtls(k, Authority(f, "other").sign("stranger")), "wants a client certificate that it trusts",
         "signed by an authority of the broker"),
        (lambda k, f: mtls(k, expired(k)), "wants a client certificate that it trusts", "not expired"),
        (lambda k, _: {"bootstrap.servers": k.at("MTLS")},
         "speaks TLS, `kafka.security.protocol` is PLAINTEXT", "set it to SSL"),
        (lambda k, _: {**in_the_clear(k), "bootstrap.servers": k.at("SCRAM"), "allow_plaintext_sasl": True},
         "speaks TLS, `kafka.security.protocol` is SASL_PLAINTEXT", "set it to SASL_SSL"),
        (lambda k, _: {**scram(k), "bootstrap.servers": k.at("CLEAR")},
         "does not speak TLS, `kafka.security.protocol` is SASL_SSL", "TLS listener"),
        (lambda k, _: over_tls(k, "SCRAM"), "wants SASL (SCRAM-SHA-512, PLAIN)", "set it to SASL_SSL"),
        (lambda k, _: {**scram(k), "bootstrap.servers": k.at("EXPIRED"), "ssl.ca.location": None},
         "shows a certificate that", ""),
        (lambda k, _: {**in_the_clear(k), "bootstrap.servers": k.bootstrap_servers, "allow_plaintext_sasl": True},
         "takes no SASL, `kafka.security.protocol` is SASL_PLAINTEXT", "set it to PLAINTEXT"),
        (lambda k, f: bearer(k, token_file(f, life_s=-3600.0).as_uri()),
         "does not accept our bearer token (invalid_token)", "expiry"),
    ],
)  # fmt: skip
async def test_a_refusal_says_what_where_and_what_to_do(
    secure_kafka: SecureKafka, tmp_path: Path, way: Way, message: str, remedy: str
) -> None:
    settings = way(secure_kafka, tmp_path)
    began_s = time.monotonic()
    with pytest.raises(ConfigError) as caught:
        await reach(settings)
    assert time.monotonic() - began_s < SOON_S
    said = str(caught.value)
    assert said.startswith(f"Kafka at {settings['bootstrap.servers']} {message}")
    assert remedy in said
    assert "wrong-secret" not in said


async def test_another_host_name_can_be_allowed(secure_kafka: SecureKafka) -> None:
    await reach({**by_name(scram(secure_kafka)), "ssl.endpoint.identification.algorithm": "none"})


async def test_sasl_in_the_clear_works_once_it_is_allowed(secure_kafka: SecureKafka) -> None:
    await reach({**in_the_clear(secure_kafka), "allow_plaintext_sasl": True})


async def test_one_server_that_is_down_does_not_hide_what_the_other_refuses(secure_kafka: SecureKafka) -> None:
    settings = {**scram(secure_kafka), "sasl.password": "wrong-secret"}
    settings["bootstrap.servers"] = f"127.0.0.1:1,{settings['bootstrap.servers']}"
    with pytest.raises(ConfigError, match="does not accept user scorer"):
        await reach(settings)


async def test_the_advertised_address_is_looked_at_too(secure_kafka: SecureKafka) -> None:
    settings = over_tls(secure_kafka, "RENAMED")
    with pytest.raises(ConfigError) as caught:
        await reach(settings)
    port = settings["bootstrap.servers"].rpartition(":")[2]
    assert str(caught.value).startswith(f"Kafka at localhost:{port} shows a certificate that is for another host")


async def test_a_token_that_is_not_there_yet_is_waited_for(secure_kafka: SecureKafka, tmp_path: Path) -> None:
    path = tmp_path / "token"
    settings = bearer(secure_kafka, path.as_uri())
    with pytest.raises(BrokerUnavailable, match=r"the token file .* cannot be read: No such file"):
        await reach(settings, wait_s=0.0)
    reaching = asyncio.ensure_future(reach(settings, wait_s=30.0))
    await asyncio.sleep(0)
    token_file(tmp_path)
    await reaching
