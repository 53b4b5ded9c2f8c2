"""Why a broker cannot be used with the settings at hand, where waiting for it is no use."""

import asyncio
import json
import ssl
import struct
from collections.abc import Mapping
from typing import Any

from aiokafka.conn import collect_hosts, create_conn
from aiokafka.errors import KafkaError, SaslAuthenticationFailed

from streamapp.kafka.listener import NOT_SASL, Line
from streamapp.kafka.tokens import TokenRefused, TokenSource, TokenUnavailable

LIMIT_S = 5.0
"""Longest look at one address."""
ALERT_S = 1.0
"""How long a broker may take to object to our certificate; with TLS 1.3 it does so after the handshake."""

_UNTRUSTED = ("is not signed by a trusted authority", "name the broker's authority in `kafka.ssl.ca.location`")
_CERTIFICATE = dict.fromkeys((2, 18, 19, 20, 21), _UNTRUSTED) | {
    10: ("has expired", "renew it on the broker, and look at this machine's clock"),
    9: ("is not valid yet", "look at the clocks of this machine and the broker's"),
    62: (
        "is for another host",
        "use a name that is in it in `kafka.bootstrap.servers`, or have one made for this name",
    ),
    64: ("is for another address", "use a name that is in it in `kafka.bootstrap.servers`, or have one made for it"),
}
_NOT_ACCEPTED = ("is not acceptable", "have another one made for the broker")


class Refusal(Exception):
    """What is wrong at an address, and what to do."""

    def __init__(self, where: str, message: str, remedy: str) -> None:
        super().__init__(f"{where} {message}: {remedy}")


async def refusal(options: Mapping[str, Any]) -> Refusal | None:
    """The first refusal of the bootstrap servers that time will not mend; None where there is none, as of a broker
    that is not up. `options` are those of `connection()`."""
    for host, port, _ in collect_hosts(options["bootstrap_servers"], randomize=False):
        found = await _refusal_at(host, port, options)
        if found is not None:
            return found
    return None


async def _refusal_at(host: str, port: int, options: Mapping[str, Any]) -> Refusal | None:
    try:
        await asyncio.wait_for(_look(host, port, options), LIMIT_S)
    except Refusal as found:
        return found
    except (OSError, EOFError, ValueError, struct.error, KafkaError, asyncio.TimeoutError):
        return None  # not up, not reachable, or hanging up in the middle: that may pass
    return None


async def unavailable_token(options: Mapping[str, Any]) -> str:
    """Why there is no bearer token just now; empty if there is one, or none is needed."""
    source = options.get("sasl_oauth_token_provider")
    if isinstance(source, TokenSource):
        try:
            await source.token()
        except TokenUnavailable as error:
            return str(error)
    return ""


async def _look(host: str, port: int, options: Mapping[str, Any]) -> None:
    """Go the way of a connection: raises `Refusal`, or whatever else ends it."""
    where, protocol = f"{host}:{port}", str(options["security_protocol"])
    context = options.get("ssl_context")
    if context is None:
        await _look_for_tls(where, host, port, protocol)
    else:
        await _check_tls(where, host, port, context, protocol)
    try:
        await _check_mechanism(where, host, port, options)
    except (OSError, EOFError):
        if context is not None:
            await _check_our_certificate(where, host, port, context)
        raise
    if protocol.startswith("SASL"):
        await _check_credentials(where, host, port, options)


async def _look_for_tls(where: str, host: str, port: int, protocol: str) -> None:
    if await _speaks_kafka(host, port, None):
        return
    anything = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    anything.check_hostname, anything.verify_mode = False, ssl.CERT_NONE
    line = await Line.open(host, port, anything)  # nothing is sent over it
    await line.close()
    wanted = "SASL_SSL" if protocol.startswith("SASL") else "SSL"
    raise Refusal(
        where, f"speaks TLS, `kafka.security.protocol` is {protocol}", f"set it to {wanted}, or use another port"
    )


async def _check_tls(where: str, host: str, port: int, context: ssl.SSLContext, protocol: str) -> None:
    try:
        line = await Line.open(host, port, context)
    except ssl.SSLCertVerificationError as error:
        what, remedy = _CERTIFICATE.get(error.verify_code, _NOT_ACCEPTED)
        raise Refusal(where, f"shows a certificate that {what} ({error.verify_message})", remedy) from error
    except (ssl.SSLError, ConnectionError, EOFError) as error:
        if await _speaks_kafka(host, port, None):
            plain = "SASL_PLAINTEXT" if protocol.startswith("SASL") else "PLAINTEXT"
            remedy = f"use the port of its TLS listener, or {plain} if the network is trusted"
            raise Refusal(where, f"does not speak TLS, `kafka.security.protocol` is {protocol}", remedy) from error
        if isinstance(error, ssl.SSLError):
            remedy = "compare the TLS versions and ciphers on both sides, and see whether it wants a client certificate"
            raise Refusal(where, f"does not agree on TLS (OpenSSL: {error.reason or error})", remedy) from error
        raise
    await line.close()


async def _check_our_certificate(where: str, host: str, port: int, context: ssl.SSLContext) -> None:
    line = await Line.open(host, port, context)
    try:
        # Nothing is sent: a broker that hangs up on unread bytes resets the connection, and its alert is lost.
        await asyncio.wait_for(line.wait_for_alert(), ALERT_S)
    except asyncio.TimeoutError:
        return
    except ssl.SSLError as error:
        raise Refusal(
            where,
            f"wants a client certificate that it trusts ({error.reason})",
            "give `kafka.ssl.certificate.location` and `kafka.ssl.key.location`, signed by an authority of the broker "
            "and not expired",
        ) from error
    finally:
        await line.close()


async def _speaks_kafka(host: str, port: int, context: ssl.SSLContext | None) -> bool:
    line = await Line.open(host, port, context)
    try:
        return await asyncio.wait_for(line.speaks_kafka(), ALERT_S)
    except (OSError, EOFError, ValueError, asyncio.TimeoutError):
        return False
    finally:
        await line.close()


async def _check_mechanism(where: str, host: str, port: int, options: Mapping[str, Any]) -> None:
    protocol, mechanism = str(options["security_protocol"]), str(options.get("sasl_mechanism"))
    line = await Line.open(host, port, options.get("ssl_context"))
    try:
        answer = await line.shake_hands(mechanism)
    finally:
        await line.close()
    wants_sasl, offered = answer.code != NOT_SASL, ", ".join(answer.mechanisms)
    secure = "SSL" if protocol.endswith("SSL") else "PLAINTEXT"
    if wants_sasl and not protocol.startswith("SASL"):
        remedy = f"set it to SASL_{secure} and give the sasl.* keys"
        raise Refusal(where, f"wants SASL ({offered}), `kafka.security.protocol` is {protocol}", remedy)
    if not wants_sasl and protocol.startswith("SASL"):
        raise Refusal(where, f"takes no SASL, `kafka.security.protocol` is {protocol}", f"set it to {secure}")
    if wants_sasl and mechanism not in answer.mechanisms:
        raise Refusal(where, f"offers {offered}, not {mechanism}", "correct `kafka.sasl.mechanism`")


async def _check_credentials(where: str, host: str, port: int, options: Mapping[str, Any]) -> None:
    source, mechanism = options.get("sasl_oauth_token_provider"), options["sasl_mechanism"]
    if isinstance(source, TokenSource):
        await _check_token(where, host, port, options, source)
        return
    shared = {name: value for name, value in options.items() if name != "bootstrap_servers"}
    try:
        connection = await create_conn(host, port, **shared)
    except SaslAuthenticationFailed as error:
        user = options.get("sasl_plain_username")
        who = f"user {user}" if user is not None else "our ticket"
        remedy = "check `kafka.sasl.username` and `kafka.sasl.password`" if user is not None else "check the keytab"
        raise Refusal(where, f"does not accept {who} by {mechanism}", remedy) from error
    await connection.close()


async def _check_token(where: str, host: str, port: int, options: Mapping[str, Any], source: TokenSource) -> None:
    # aiokafka takes the broker's complaint for consent: it comes as a challenge (RFC 7628, 3.2.2).
    try:
        token = await source.token()
    except TokenRefused as error:
        raise Refusal(where, f"wants a bearer token, but {error}", "check the kafka.sasl.oauthbearer.* keys") from error
    line = await Line.open(host, port, options.get("ssl_context"))
    try:
        await line.shake_hands("OAUTHBEARER")
        more = "".join(f"\x01{name}={value}" for name, value in source.extensions().items())
        code, _, challenge = await line.authenticate(f"n,,\x01auth=Bearer {token}{more}\x01\x01".encode())
    finally:
        await line.close()
    if code or challenge:
        remedy = "check its issuer, audience, scope and expiry against what the broker expects"
        raise Refusal(where, f"does not accept our bearer token ({_status(challenge)})", remedy)


def _status(challenge: bytes) -> str:
    try:
        return str(json.loads(challenge)["status"])
    except (ValueError, KeyError, TypeError):
        return "it does not say why"
