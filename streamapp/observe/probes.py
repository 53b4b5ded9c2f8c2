"""`/livez` and `/readyz`: whether the process is to be started again, and whether records flow through it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus

import orjson

from streamapp.observe.endpoint import Page

JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Condition:
    """alive: the process can still do something about itself. reason: one word for why no records flow; "" while
    they do. partitions: how many are held. stuck: what stands still, for people."""

    alive: bool
    reason: str
    partitions: int = 0
    stuck: Sequence[Mapping[str, str | int | float]] = ()


def probe_pages(condition: Callable[[], Condition]) -> dict[str, Page]:
    """Path -> page. 200 with `{"status": "ok"}`, or 503 with the reason; both with the partitions held."""

    def live() -> tuple[HTTPStatus, str, bytes]:
        now = condition()
        return _page(now.alive, now, now.reason or "silent")

    def ready() -> tuple[HTTPStatus, str, bytes]:
        now = condition()
        return _page(now.alive and not now.reason, now, now.reason or "silent")

    return {"/livez": live, "/readyz": ready}


def _page(good: bool, now: Condition, reason: str) -> tuple[HTTPStatus, str, bytes]:
    said: dict[str, object] = {"status": "ok"} if good else {"status": "unavailable", "reason": reason}
    said |= {"partitions": now.partitions, "stuck": list(now.stuck)}
    return HTTPStatus.OK if good else HTTPStatus.SERVICE_UNAVAILABLE, JSON, orjson.dumps(said) + b"\n"
