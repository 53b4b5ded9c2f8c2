"""The proxy's faults are those it is asked for. A server that echoes stands behind it."""

import socket
import socketserver
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from tests.faults.proxy import BOTH, PIECE_BYTES, Faults, Proxy

SOON_S = 10.0
QUIET_S = 0.3
"""How long silence must last to be believed; what is not held back arrives within a few milliseconds."""


class Echo(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        try:
            while piece := self.request.recv(65_536):
                self.server.heard.append(piece)  # type: ignore[attr-defined]
                self.request.sendall(piece)
        except ConnectionResetError:
            self.server.heard.append(b"<reset>")  # type: ignore[attr-defined]


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Echo)
        self.heard: list[bytes] = []


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as found:
        thread = threading.Thread(target=found.serve_forever, args=(0.02,))
        thread.start()
        yield found
        found.shutdown()
        thread.join()


@pytest.fixture
def proxy(server: Server) -> Iterator[Proxy]:
    with Proxy() as found:
        found.connect_to(server.server_address[1])
        yield found


@pytest.fixture
def client(proxy: Proxy) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", proxy.port), SOON_S) as found:
        yield found


def received(client: socket.socket, count: int) -> bytes:
    found = b""
    while len(found) < count:
        piece = client.recv(count - len(found))
        assert piece, f"closed after {len(found)} of {count} bytes"
        found += piece
    return found


def silent(client: socket.socket) -> bool:
    client.settimeout(QUIET_S)
    try:
        client.recv(1)
    except TimeoutError:
        return True
    finally:
        client.settimeout(SOON_S)
    return False


def until(true: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + SOON_S
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.005)
    return True


def test_without_faults_everything_passes(client: socket.socket, proxy: Proxy) -> None:
    sent = bytes(range(256)) * 4000
    threading.Thread(target=client.sendall, args=(sent,)).start()
    assert received(client, len(sent)) == sent
    assert until(lambda: proxy.forwarded("up") == proxy.forwarded("down") == len(sent))


def test_a_close_at_one_end_reaches_the_other(client: socket.socket, proxy: Proxy) -> None:
    client.sendall(b"last words")
    client.shutdown(socket.SHUT_WR)
    assert received(client, 10) == b"last words"
    assert client.recv(1) == b""
    assert until(lambda: proxy.connections == 0)


def test_a_partition_lets_nothing_through_and_heals(client: socket.socket, proxy: Proxy, server: Server) -> None:
    proxy.apply(Faults(held=BOTH))
    client.sendall(b"ping")
    assert silent(client)
    assert server.heard == []
    proxy.heal()
    assert received(client, 4) == b"ping"


def test_half_open_the_server_hears_and_its_answer_does_not_arrive(
    client: socket.socket, proxy: Proxy, server: Server
) -> None:
    proxy.apply(Faults(held=frozenset({"down"})))
    client.sendall(b"ping")
    assert until(lambda: server.heard == [b"ping"])
    assert silent(client)
    proxy.heal()
    assert received(client, 4) == b"ping"


def test_what_a_client_sent_and_gave_up_arrives_all_the_same(proxy: Proxy, server: Server) -> None:
    proxy.apply(Faults(held=BOTH))
    with socket.create_connection(("127.0.0.1", proxy.port), SOON_S) as gone:
        gone.sendall(b"late")
    proxy.heal()
    assert until(lambda: server.heard == [b"late"])


def test_delay_is_added_in_each_direction_and_pieces_do_not_queue_for_it(client: socket.socket, proxy: Proxy) -> None:
    proxy.apply(Faults(delay_s=0.1))
    began_s = time.monotonic()
    for i in range(5):
        client.sendall(b"%d" % i)
        time.sleep(0.01)  # so that they travel apart
    assert received(client, 5) == b"01234"
    took_s = time.monotonic() - began_s
    assert 0.2 <= took_s < 0.8


def test_the_rate_is_limited(client: socket.socket, proxy: Proxy) -> None:
    proxy.apply(Faults(bits_per_s=3e6))
    began_s = time.monotonic()
    threading.Thread(target=client.sendall, args=(b"x" * 187_500,)).start()  # half a second at 3 Mbit/s
    received(client, 187_500)
    assert 0.5 <= time.monotonic() - began_s < 1.5


def test_a_fault_ends_for_what_is_waiting_in_it(client: socket.socket, proxy: Proxy) -> None:
    proxy.apply(Faults(delay_s=60.0))
    client.sendall(b"ping")
    assert silent(client)
    proxy.heal()
    assert received(client, 4) == b"ping"


def test_a_reset_breaks_both_ends_and_the_next_connection_works(
    client: socket.socket, proxy: Proxy, server: Server
) -> None:
    client.sendall(b"ping")
    received(client, 4)
    proxy.reset()
    with pytest.raises(ConnectionResetError):
        client.recv(1)
    assert until(lambda: server.heard[-1] == b"<reset>")
    assert proxy.resets == 1
    with socket.create_connection(("127.0.0.1", proxy.port), SOON_S) as again:
        again.sendall(b"ping")
        assert received(again, 4) == b"ping"


def test_a_reset_in_the_middle_lets_half_of_a_piece_arrive_once(
    client: socket.socket, proxy: Proxy, server: Server
) -> None:
    proxy.reset_within(1000)
    client.sendall(b"small")
    assert received(client, 5) == b"small"
    client.sendall(b"x" * PIECE_BYTES)
    with pytest.raises(ConnectionResetError):
        received(client, PIECE_BYTES)
    assert until(lambda: server.heard[-1] == b"<reset>")
    assert len(b"".join(server.heard[1:-1])) < PIECE_BYTES
    assert proxy.resets == 1


def test_a_server_that_is_gone_closes_the_client(proxy: Proxy, server: Server) -> None:
    proxy.connect_to(1)
    with (
        pytest.raises(ConnectionResetError),  # while connecting already, where the reset is quicker than we look
        socket.create_connection(("127.0.0.1", proxy.port), SOON_S) as refused,
    ):
        refused.recv(1)


def test_a_connection_is_lost_without_a_word_and_new_ones_are_well(client: socket.socket, proxy: Proxy) -> None:
    with socket.create_connection(("127.0.0.1", proxy.port), SOON_S) as other:
        client.sendall(b"before")
        assert received(client, 6) == b"before"
        losing = threading.Thread(target=proxy.lose, args=(b"topic",))
        losing.start()
        assert until(lambda: proxy._losing is not None)
        client.sendall(b"of a topic")
        losing.join()
        assert silent(client)
        other.sendall(b"well")
        assert received(other, 4) == b"well"
    with socket.create_connection(("127.0.0.1", proxy.port), SOON_S) as new:
        new.sendall(b"of a topic")
        assert received(new, 10) == b"of a topic"
