import asyncio
import base64
import json
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from streamapp.config.settings import KafkaSettings
from streamapp.errors import ConfigError
from streamapp.kafka.tokens import Token, TokenRefused, TokenSource, TokenUnavailable, token_source
from streamapp.testing.clock import ManualClock
from tests.certificates import Authority

SECRET = "sec:ret/%"


@dataclass
class Endpoint:
    """A token endpoint over TLS: gives what it is told to give, and keeps what it is asked."""

    authority: Authority
    port: int = 0
    status: int = 200
    body: bytes = json.dumps({"access_token": "tok.en", "expires_in": 100, "token_type": "Bearer"}).encode()
    location: str = ""
    asked: list[tuple[str, dict[str, list[str]]]] = field(default_factory=list)

    def settings(self, **more: Any) -> KafkaSettings:
        given = {
            "sasl.oauthbearer.token.endpoint.url": f"https://127.0.0.1:{self.port}/token?tenant=1",
            "sasl.oauthbearer.client.id": "me",
            "sasl.oauthbearer.client.secret": SECRET,
            "sasl.oauthbearer.scope": "kafka read",
            "https.ca.location": str(self.authority.path),
        }
        return KafkaSettings.model_validate({**given, **more})


@pytest.fixture
def endpoint(tmp_path: Path) -> Iterator[Endpoint]:
    found = Endpoint(Authority(tmp_path, "authority"))

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            fields = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
            found.asked.append((self.headers["Authorization"], fields))
            self.send_response(found.status)
            if found.location:
                self.send_header("Location", found.location)
            self.end_headers()
            self.wfile.write(found.body)

        def log_message(self, *arguments: object) -> None:
            """Quietly."""

    pair = found.authority.sign("endpoint")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        found.port = server.server_port
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield found
        server.shutdown()
        thread.join()


def test_the_client_credentials_grant(endpoint: Endpoint) -> None:
    assert asyncio.run(token_source(endpoint.settings()).token()) == "tok.en"
    credentials = base64.b64encode(b"me:sec%3Aret%2F%25").decode()
    assert endpoint.asked == [(f"Basic {credentials}", {"grant_type": ["client_credentials"], "scope": ["kafka read"]})]


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'"x"', b'{"access_token": 5}', b'{"access_token": "a b"}'])
def test_an_answer_without_a_token(endpoint: Endpoint, body: bytes) -> None:
    endpoint.body = body
    with pytest.raises(TokenRefused, match="without an access token"):
        token_source(endpoint.settings()).current()


@pytest.mark.parametrize(("status", "final"), [(400, True), (401, True), (429, False), (503, False)])
def test_a_refusal_is_told_from_an_outage(endpoint: Endpoint, status: int, final: bool) -> None:
    endpoint.status = status
    with pytest.raises(TokenUnavailable) as caught:
        token_source(endpoint.settings()).current()
    assert isinstance(caught.value, TokenRefused) is final
    assert str(caught.value) == f"the token endpoint https://127.0.0.1:{endpoint.port}/token answers {status}"


def test_the_credentials_are_not_sent_on(endpoint: Endpoint) -> None:
    endpoint.status, endpoint.location = 302, f"https://127.0.0.1:{endpoint.port}/elsewhere"
    with pytest.raises(TokenRefused, match="answers 302"):
        token_source(endpoint.settings()).current()
    assert len(endpoint.asked) == 1


def test_an_endpoint_that_is_not_trusted_or_not_there(endpoint: Endpoint, tmp_path: Path) -> None:
    other = {"https.ca.location": str(Authority(tmp_path, "other").path)}
    with pytest.raises(TokenRefused, match="not trusted"):
        token_source(endpoint.settings(**other)).current()
    assert endpoint.asked == []
    absent = endpoint.settings(**{"sasl.oauthbearer.token.endpoint.url": "https://127.0.0.1:1/token"})
    with pytest.raises(TokenUnavailable, match="refused") as caught:
        token_source(absent).current()
    assert not isinstance(caught.value, TokenRefused)


def test_an_authority_that_cannot_be_loaded(endpoint: Endpoint, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"absent\.pem"):
        token_source(endpoint.settings(**{"https.ca.location": str(tmp_path / "absent.pem")}))


def test_a_token_is_used_while_it_is_fresh() -> None:
    clock = ManualClock()
    tokens = iter([Token("one", 80.0), Token("two", 80.0)])
    source = TokenSource(lambda: next(tokens), clock=clock.monotonic_s)
    assert source.current() == "one"
    clock.advance(79.0)
    assert source.current() == "one"
    clock.advance(1.0)
    assert source.current() == "two"


def test_a_file_is_read_for_every_connection(tmp_path: Path) -> None:
    path = tmp_path / "to ken"
    source = token_source(KafkaSettings.model_validate({"sasl.oauthbearer.token.endpoint.url": path.as_uri()}))
    with pytest.raises(TokenUnavailable, match="No such file"):
        source.current()
    path.write_text("one\n")
    assert source.current() == "one"
    path.write_text("two\n")
    assert source.current() == "two"
    for content, said in (("", "is empty"), ("a b", "holds more than one word")):
        path.write_text(content)
        with pytest.raises(TokenUnavailable, match=said):
            source.current()


def test_a_token_does_not_show_itself() -> None:
    assert "tok.en" not in repr(Token("tok.en", 1.0))
