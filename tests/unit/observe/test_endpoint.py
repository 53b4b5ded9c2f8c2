import http.client
import threading
from http import HTTPStatus

import pytest

from streamapp.errors import ConfigError
from streamapp.observe.endpoint import Endpoint


def _get(port: int, path: str) -> tuple[int, str | None, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.getheader("Content-Type"), response.read()
    finally:
        connection.close()


def test_it_serves_its_pages_and_nothing_else() -> None:
    asked: list[int] = []

    def page() -> tuple[HTTPStatus, str, bytes]:
        asked.append(1)
        return HTTPStatus.OK, "text/plain; version=0.0.4", b"up 1\n"

    endpoint = Endpoint("127.0.0.1", 0, {"/metrics": page})
    try:
        assert _get(endpoint.port, "/metrics?name=up") == (200, "text/plain; version=0.0.4", b"up 1\n")
        assert _get(endpoint.port, "/etc/passwd")[0] == 404
        assert asked == [1]
    finally:
        endpoint.close()


def test_close_frees_the_port_and_ends_the_thread() -> None:
    before = set(threading.enumerate())
    endpoint = Endpoint("127.0.0.1", 0, {})
    port = endpoint.port
    started = set(threading.enumerate()) - before
    assert started
    endpoint.close()
    assert not any(thread.is_alive() for thread in started)
    with pytest.raises(ConnectionRefusedError):
        _get(port, "/metrics")
    Endpoint("127.0.0.1", port, {}).close()


def test_a_taken_port_is_said_so() -> None:
    first = Endpoint("127.0.0.1", 0, {})
    try:
        with pytest.raises(ConfigError, match=rf"cannot listen on 127.0.0.1:{first.port} .*metrics.port"):
            Endpoint("127.0.0.1", first.port, {})
    finally:
        first.close()


def test_a_page_that_fails_is_a_500_and_the_next_request_is_served() -> None:
    def broken() -> tuple[HTTPStatus, str, bytes]:
        raise KeyError("no such family")

    endpoint = Endpoint("127.0.0.1", 0, {"/metrics": broken, "/ok": lambda: (HTTPStatus.OK, "text/plain", b"ok")})
    try:
        status, _, body = _get(endpoint.port, "/metrics")
        assert status == 500
        assert b"no such family" not in body
        assert _get(endpoint.port, "/ok")[2] == b"ok"
    finally:
        endpoint.close()
