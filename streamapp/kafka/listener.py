"""A few questions to whatever listens at an address: the bytes of Kafka's protocol, and nothing on top of them.

aiokafka answers every failure to connect with "unable to bootstrap". The reason is told by going the same way by
hand: the handshake of TLS, and the requests ApiVersions (key 18), SaslHandshake (17) and SaslAuthenticate (36).
"""

import asyncio
import ssl
import struct
from dataclasses import dataclass

SASL_HANDSHAKE, API_VERSIONS, SASL_AUTHENTICATE = 17, 18, 36
NOT_SASL = 34
"""ILLEGAL_SASL_STATE: what a listener without SASL answers to a handshake."""
_LARGEST = 1 << 20


@dataclass(frozen=True, slots=True)
class Handshake:
    """A listener's answer to SaslHandshake: its error code, and the mechanisms that it offers."""

    code: int
    mechanisms: tuple[str, ...]


class Line:
    """One connection. Every method may raise `OSError`, `ssl.SSLError`, `EOFError` or `ValueError`."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, host: str, port: int, context: ssl.SSLContext | None) -> "Line":
        """Connect; with a context also shake hands."""
        return cls(*await asyncio.open_connection(host, port, ssl=context))

    async def close(self) -> None:
        """Hang up."""
        self._writer.transport.abort()

    async def speaks_kafka(self) -> bool:
        """Whether ApiVersions is answered."""
        return len(await self._ask(API_VERSIONS, 0, b"")) > 2

    async def shake_hands(self, mechanism: str) -> Handshake:
        """What the listener says to authenticating by `mechanism`."""
        answer = await self._ask(SASL_HANDSHAKE, 1, _text(mechanism))
        code, count = struct.unpack_from(">hi", answer)
        names, at = [], 6
        for _ in range(count):
            (length,) = struct.unpack_from(">h", answer, at)
            names.append(answer[at + 2 : at + 2 + length].decode())
            at += 2 + length
        return Handshake(code, tuple(names))

    async def authenticate(self, credentials: bytes) -> tuple[int, str, bytes]:
        """One step after the handshake: error code, the broker's words, its challenge."""
        answer = await self._ask(SASL_AUTHENTICATE, 0, struct.pack(">i", len(credentials)) + credentials)
        code, length = struct.unpack_from(">hh", answer)
        words = answer[4 : 4 + max(length, 0)].decode(errors="replace")
        return code, words, answer[8 + max(length, 0) :]

    async def wait_for_alert(self) -> None:
        """Return when the other side hangs up; raises what it says when it does."""
        await self._reader.read(1)

    async def _ask(self, key: int, version: int, body: bytes) -> bytes:
        request = struct.pack(">hhi", key, version, 1) + _text("streamapp") + body
        self._writer.write(struct.pack(">i", len(request)) + request)
        (size,) = struct.unpack(">i", await self._reader.readexactly(4))
        if not 4 <= size <= _LARGEST:
            raise ValueError("not Kafka's protocol")
        return (await self._reader.readexactly(size))[4:]


def _text(words: str) -> bytes:
    encoded = words.encode()
    return struct.pack(">h", len(encoded)) + encoded
