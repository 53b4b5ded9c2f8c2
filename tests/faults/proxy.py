"""A TCP proxy on loopback whose faults are switched while connections run through it."""

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Literal

Way = Literal["up", "down"]
"""up: from the client to the server, down: back."""

BOTH: frozenset[Way] = frozenset({"up", "down"})
PIECE_BYTES = 16_384
"""What is forwarded at once; with `bits_per_s`, the grain of the limit."""
QUEUED_PIECES = 64
"""Pieces under way in one direction of one connection; beyond them the sender is held up, as by a full pipe."""


@dataclass(frozen=True, slots=True)
class Faults:
    """What is wrong with the network; nothing by default.

    held: directions in which nothing arrives. Bytes are kept and arrive once the fault is over, as TCP would send
    them again: also what a client had sent on a connection that it has given up since.
    delay_s: how much later everything arrives, per direction. bits_per_s: capacity of each direction, shared by all
    connections.
    """

    held: frozenset[Way] = frozenset()
    delay_s: float = 0.0
    bits_per_s: float = float("inf")


@dataclass(slots=True)
class _Course:
    """One connection: the how many-th, and whether it was lost without a word."""

    number: int
    lost: bool = False


class Proxy:
    """Listens on a port of its own and forwards to `connect_to`'s port. Lives in a thread; every method may be called
    from any other."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._faults = Faults()
        self._changed = asyncio.Event()
        self._target = 0
        self._free_at_s = {"up": 0.0, "down": 0.0}
        self._forwarded = {"up": 0, "down": 0}
        self._cut_above: int | None = None
        self._losing: tuple[bytes, int] | None = None
        self._accepted = 0
        self._lost = threading.Event()
        self._resets = 0
        self._connections: set[asyncio.Task[None]] = set()
        self._open: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self.port = 0
        """Where clients connect; known from the start on."""

    def start(self) -> None:
        """Listen."""
        self._thread.start()
        self._call(self._listen())

    def stop(self) -> None:
        """Drop every connection and end the thread."""
        self._call(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def connect_to(self, port: int) -> None:
        """Forward new connections to this port of loopback."""
        self._target = port

    def apply(self, faults: Faults) -> None:
        """From now on these faults, for new connections and for those that run."""
        self._call(self._apply(faults))

    def heal(self) -> None:
        """No faults; what was held arrives."""
        self.apply(Faults())

    def reset(self) -> None:
        """Reset (RST) every connection, once, at both ends."""
        self._call(self._reset())

    def reset_within(self, above_bytes: int) -> None:
        """Reset the connection that next sends more than `above_bytes` up within one piece, in the middle of it: half
        of the piece has arrived then. At most `PIECE_BYTES`."""
        self._cut_above = above_bytes

    def lose(self, said: bytes) -> None:
        """Of the connections open now, those that go on to send `said` up are lost without a word: nothing arrives on
        them any more, in neither direction, and neither end is told. New ones are well. Returns once one is lost."""
        self._lost.clear()
        self._call(self._lose(said))
        if not self._lost.wait(10.0):
            raise TimeoutError(f"nobody sends {said!r}")

    @property
    def resets(self) -> int:
        """Connections that were reset so far."""
        return self._resets

    @property
    def connections(self) -> int:
        """Connections open now."""
        return len(self._connections)

    def forwarded(self, way: Way) -> int:
        """Bytes that arrived in this direction, over all connections so far."""
        return self._forwarded[way]

    def __enter__(self) -> "Proxy":
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _call(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10.0)

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        if self._server is not None:
            self._server.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _apply(self, faults: Faults) -> None:
        self._faults = faults
        self._changed.set()
        self._changed = asyncio.Event()

    async def _reset(self) -> None:
        for writer in list(self._open):
            _abort(writer)
        self._resets += len(self._connections)

    async def _lose(self, said: bytes) -> None:
        self._losing = said, self._accepted

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(self._carry(reader, writer))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until both ends closed it or one broke it."""
        self._accepted += 1
        course = _Course(self._accepted)
        ends = {writer}
        self._open.add(writer)
        finish: Callable[[asyncio.StreamWriter], None] = _abort
        try:
            up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self._target)
            ends.add(up_writer)
            self._open.add(up_writer)
            await _all(self._pump("up", reader, up_writer, course), self._pump("down", up_reader, writer, course))
            finish = asyncio.StreamWriter.close
        except OSError:
            pass  # one end is gone; the other learns it below
        finally:
            self._open -= ends
            for end in ends:
                finish(end)

    async def _pump(
        self, way: Way, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, course: _Course
    ) -> None:
        queue: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(QUEUED_PIECES)

        async def take() -> None:
            while True:
                piece = await reader.read(PIECE_BYTES)
                if way == "up":
                    self._lose_if_meant(course, piece)
                await queue.put((self._loop.time(), piece))
                if not piece:
                    return

        async def give() -> None:
            while True:
                came_s, piece = await queue.get()
                if course.lost:
                    await asyncio.Event().wait()
                await self._delay(way, came_s, len(piece))
                if not piece:
                    writer.write_eof()
                    return
                await self._forward(way, piece, writer)

        await _all(take(), give())

    def _lose_if_meant(self, course: _Course, piece: bytes) -> None:
        if self._losing is not None and course.number <= self._losing[1] and self._losing[0] in piece:
            course.lost = True
            self._lost.set()

    async def _delay(self, way: Way, came_s: float, size: int) -> None:
        """Return when `size` bytes that came at `came_s` arrive."""
        sent = False
        while True:
            faults, changed, now_s = self._faults, self._changed, self._loop.time()
            wait_s = came_s + faults.delay_s - now_s
            if way in faults.held:
                await changed.wait()
            elif wait_s > 0:
                await _within(changed.wait, wait_s)
            elif not sent:
                sent = True
                self._free_at_s[way] = max(now_s, self._free_at_s[way]) + size * 8 / faults.bits_per_s
                await asyncio.sleep(self._free_at_s[way] - now_s)
            else:
                return

    async def _forward(self, way: Way, piece: bytes, writer: asyncio.StreamWriter) -> None:
        if way == "up" and self._cut_above is not None and len(piece) > self._cut_above:
            self._cut_above = None
            self._resets += 1
            writer.write(piece[: len(piece) // 2])
            await writer.drain()
            raise ConnectionResetError
        writer.write(piece)
        await writer.drain()
        self._forwarded[way] += len(piece)


def _abort(writer: asyncio.StreamWriter) -> None:
    """Close at once, with RST."""
    found: socket.socket | None = writer.get_extra_info("socket")
    if found is not None and found.fileno() >= 0:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def _all(*work: Coroutine[Any, Any, None]) -> None:
    """All of them; the others are cancelled as soon as one fails."""
    tasks = [asyncio.ensure_future(part) for part in work]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _within(work: Callable[[], Coroutine[Any, Any, Any]], limit_s: float) -> None:
    with contextlib.suppress(asyncio.TimeoutError):
        await asyncio.wait_for(work(), limit_s)
