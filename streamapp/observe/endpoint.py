"""A small HTTP server for pages that are made when asked for: `/metrics`, and room for probes."""

import logging
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from streamapp.errors import ConfigError

logger = logging.getLogger(__name__)

Page = Callable[[], tuple[HTTPStatus, str, bytes]]
"""Gives status, content type and body. Called from a server thread."""


class Endpoint:
    """Serves `pages` (path -> page) on host:port from its own thread until `close`.

    `port` is the one it really listens on, also where 0 was asked for. Raises `ConfigError` if it cannot.
    """

    def __init__(self, host: str, port: int, pages: Mapping[str, Page]) -> None:
        try:
            self._server = _Server((host, port), _handler(pages))
        except (OSError, OverflowError) as error:
            raise ConfigError(
                f"metrics: cannot listen on {host}:{port} ({error}); set metrics.port to a free port, or to 0"
            ) from error
        self.port = int(self._server.server_address[1])
        self._thread = Thread(target=self._server.serve_forever, args=(0.1,), name="metrics", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening and wait for the server's thread."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 16

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is its own affair."""
        logger.debug("request from %s broke off", client_address, exc_info=True)


def _answer(page: Page) -> tuple[HTTPStatus, str, bytes]:
    try:
        return page()
    except Exception:  # the page's bug must show in the log, and must not reveal itself to whoever asked
        logger.exception("a page could not be made")
        return HTTPStatus.INTERNAL_SERVER_ERROR, "text/plain", b"see the worker's log\n"


def _handler(pages: Mapping[str, Page]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = 5.0
        server_version = "streamapp"
        sys_version = ""

        def do_GET(self) -> None:
            page = pages.get(self.path.partition("?")[0])
            status, kind, body = _answer(page) if page else (HTTPStatus.NOT_FOUND, "text/plain", b"not found\n")
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """A scrape is no news."""

    return Handler
