import asyncio

from streamapp.config.settings import KafkaSettings
from streamapp.kafka.client import connection
from streamapp.kafka.refusal import Refusal, refusal

HANDSHAKE_FAILURE = b"\x15\x03\x03\x00\x02\x02\x28"
"""The alert of a server that has no version or cipher in common with its client."""


async def looked_at(says: bytes) -> Refusal | None:
    """What is found at a server that says this to whatever comes, and hangs up."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(says)
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        where = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        settings = {"bootstrap.servers": where, "security.protocol": "SSL"}
        return await refusal(connection(KafkaSettings.model_validate(settings)))


async def test_a_handshake_that_fails_is_told_in_the_words_of_openssl() -> None:
    said = str(await looked_at(HANDSHAKE_FAILURE))
    assert "does not agree on TLS (OpenSSL: " in said
    assert "HANDSHAKE_FAILURE" in said
    assert "compare the TLS versions" in said


async def test_a_server_that_only_hangs_up_may_come_to_answer() -> None:
    assert await looked_at(b"") is None
