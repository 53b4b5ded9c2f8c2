"""A worker reads, scores, publishes and commits over secure connections, and writes no secret anywhere."""

import base64
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.integration.worker_cases import PARTITIONS, PATIENCE_S, Bench, disordered, repeats, stopped
from tests.secure_kafka import PASSWORD, USER, SecureKafka
from tests.secure_ways import bearer, mtls, over_tls, scram, token_file

KEY_PASSWORD = "locked-away"
SESSION = {"session.timeout.ms": 6000, "heartbeat.interval.ms": 500}
WAYS: dict[str, Callable[[SecureKafka, Path], dict[str, Any]]] = {
    "SASL_SSL with SCRAM-SHA-512": lambda kafka, _: scram(kafka),
    "mTLS with a locked key": lambda kafka, _: mtls(
        kafka, kafka.authority.sign("locked", password=KEY_PASSWORD), **{"ssl.key.password": KEY_PASSWORD}
    ),
    "SASL_SSL with OAUTHBEARER": lambda kafka, folder: bearer(kafka, token_file(folder).as_uri()),
}


@pytest.fixture
async def bench(secure_kafka: SecureKafka, tmp_path: Path, topic: Callable[[str], str]) -> AsyncIterator[Bench]:
    """Topics and events over the plain listener; the workers' settings are the case's."""
    found = Bench(secure_kafka.bootstrap_servers, tmp_path, topic, dict(SESSION))
    await found.create()
    yield found
    found.close()


def forms(secret: str) -> set[str]:
    """A secret as it is and as SASL and HTTP send it."""
    return {secret, base64.b64encode(secret.encode()).decode(), base64.b64encode(f"{USER}:{secret}".encode()).decode()}


@pytest.mark.parametrize("way", WAYS)
async def test_a_worker_over_a_secure_connection(
    bench: Bench, secure_kafka: SecureKafka, tmp_path: Path, way: str
) -> None:
    bench.kafka |= WAYS[way](secure_kafka, tmp_path)
    await bench.feed(400)
    # Everything that any library says, credentials on the wire included.
    worker = bench.start(level="DEBUG")
    answers = await bench.answers(400)
    assert worker.stop(grace_s=PATIENCE_S) == 0
    assert (repeats(answers), disordered(answers)) == (0, [])
    assert await bench.committed() == dict.fromkeys(range(PARTITIONS), 100)
    said = bench.said(worker)
    assert "aiokafka.conn" in said
    # aiokafka cuts long bytes off: the beginning of a token is what would show.
    tokens = [(tmp_path / "token").read_text()[:60]] if "BEARER" in way else []
    secrets = {PASSWORD, KEY_PASSWORD, *tokens}
    assert [form for secret in secrets for form in forms(secret) if form in said] == []


@pytest.mark.parametrize(
    ("way", "message"),
    [
        # The password itself is what PLAIN sends.
        (lambda kafka: {**scram(kafka, "PLAIN"), "sasl.password": "wrong-secret"}, "does not accept user scorer"),
        (lambda kafka: over_tls(kafka, "MTLS"), "wants a client certificate"),
    ],
)
async def test_a_worker_that_is_refused_ends_at_once(
    bench: Bench, secure_kafka: SecureKafka, way: Callable[[SecureKafka], dict[str, Any]], message: str
) -> None:
    bench.kafka |= way(secure_kafka)
    worker = bench.start({"worker": {"broker_wait_s": 3600.0}}, level="DEBUG")
    assert stopped(worker) == 1
    said = bench.said(worker)
    assert message in said
    assert "aiokafka.conn" in said
    assert "wrong-secret" not in said
