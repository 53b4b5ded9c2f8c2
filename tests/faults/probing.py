"""A worker's probes and metrics, asked as an orchestrator would."""

import asyncio
import http.client
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from streamapp.demo.scrape import Scrape

_EVERY_S = 0.05
UNHEARD = "unheard"
"""The answer of a port on which nobody listens."""


def get(port: int, path: str) -> tuple[int, bytes]:
    """Status and body; status 0 where nobody answers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read()
    except OSError:
        return 0, b""
    except http.client.HTTPException:
        return 0, b""
    finally:
        connection.close()


def readiness(port: int) -> str:
    """`ready`, the reason why not, or `unheard`."""
    status, body = get(port, "/readyz")
    said: dict[str, Any] = json.loads(body) if body else {}
    return "ready" if status == 200 else str(said.get("reason", UNHEARD))


def metric(port: int, name: str, **labels: str) -> float:
    """The sum of a metric's samples."""
    return Scrape(get(port, "/metrics")[1].decode()).total(name, **labels)


@dataclass(slots=True)
class Diary:
    """What was answered, each change once, in order; stuck: the highest `streamapp_stuck_partitions` seen."""

    readiness: list[str] = field(default_factory=list)
    live: list[int] = field(default_factory=list)
    stuck: float = 0.0


@asynccontextmanager
async def diary(port: int) -> AsyncIterator[Diary]:
    """Ask all the time meanwhile."""
    found = Diary()
    asking = asyncio.ensure_future(_ask(port, found))
    try:
        yield found
    finally:
        asking.cancel()
        with suppress(asyncio.CancelledError):
            await asking


async def _ask(port: int, found: Diary) -> None:
    while True:
        ready, live = await asyncio.to_thread(readiness, port), (await asyncio.to_thread(get, port, "/livez"))[0]
        if ready != (found.readiness or [""])[-1]:
            found.readiness.append(ready)
        if live != (found.live or [-1])[-1]:
            found.live.append(live)
        if ready == "stuck":
            found.stuck = max(found.stuck, await asyncio.to_thread(metric, port, "streamapp_stuck_partitions"))
        await asyncio.sleep(_EVERY_S)
