"""Kafka settings of a client for each listener of a `SecureKafka`, and the tokens that its BEARER listener takes."""

import base64
import json
import time
from pathlib import Path
from typing import Any

from tests.certificates import Pair
from tests.secure_kafka import PASSWORD, USER, SecureKafka


def scram(kafka: SecureKafka, mechanism: str = "SCRAM-SHA-512") -> dict[str, Any]:
    """SASL over TLS."""
    return {
        **over_tls(kafka, "SCRAM"),
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": mechanism,
        "sasl.username": USER,
        "sasl.password": PASSWORD,
    }


def in_the_clear(kafka: SecureKafka) -> dict[str, Any]:
    """SASL without TLS."""
    settings = {**scram(kafka), "bootstrap.servers": kafka.at("CLEAR"), "security.protocol": "SASL_PLAINTEXT"}
    del settings["ssl.ca.location"]
    return settings


def mtls(kafka: SecureKafka, pair: Pair, **more: Any) -> dict[str, Any]:
    """TLS with a client certificate."""
    files = {"ssl.certificate.location": str(pair.certificate), "ssl.key.location": str(pair.key)}
    return {**over_tls(kafka, "MTLS"), **files, **more}


def over_tls(kafka: SecureKafka, listener: str) -> dict[str, Any]:
    """TLS and nothing else."""
    authority = str(kafka.authority.path)
    return {"bootstrap.servers": kafka.at(listener), "security.protocol": "SSL", "ssl.ca.location": authority}


def bearer(kafka: SecureKafka, url: str, **more: Any) -> dict[str, Any]:
    """OAUTHBEARER over TLS with tokens from `url`."""
    return {
        **over_tls(kafka, "BEARER"),
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "OAUTHBEARER",
        "sasl.oauthbearer.token.endpoint.url": url,
        **more,
    }


def unsigned_token(life_s: float, subject: str = USER) -> str:
    """A JSON web token of the algorithm `none`."""
    now = time.time()
    claims = {"sub": subject, "iat": now + min(0.0, life_s) - 1, "exp": now + life_s}
    parts = [
        base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in ({"alg": "none"}, claims)
    ]
    return ".".join([*parts, ""])


def token_file(folder: Path, life_s: float = 3600.0) -> Path:
    """A file with a token in it."""
    path = folder / "token"
    path.write_text(unsigned_token(life_s) + "\n")
    return path
