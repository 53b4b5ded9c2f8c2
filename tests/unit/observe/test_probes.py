"""What `/livez` and `/readyz` say."""

import json
from http import HTTPStatus

import pytest

from streamapp.observe.probes import Condition, probe_pages


def ask(condition: Condition) -> dict[str, tuple[HTTPStatus, dict[str, object]]]:
    found = {path: page() for path, page in probe_pages(lambda: condition).items()}
    assert {kind for _, kind, _ in found.values()} == {"application/json"}
    return {path: (status, json.loads(body)) for path, (status, _, body) in found.items()}


def test_records_flow() -> None:
    good = (HTTPStatus.OK, {"status": "ok", "partitions": 2, "stuck": []})
    assert ask(Condition(True, "", 2)) == {"/livez": good, "/readyz": good}


@pytest.mark.parametrize("reason", ["warming", "starting", "assigning", "rebalancing", "waiting", "draining", "stuck"])
def test_alive_and_not_ready(reason: str) -> None:
    pages = ask(Condition(True, reason))
    assert pages["/livez"][0] == HTTPStatus.OK
    assert pages["/readyz"] == (
        HTTPStatus.SERVICE_UNAVAILABLE,
        {"status": "unavailable", "reason": reason, "partitions": 0, "stuck": []},
    )


def test_neither_alive_nor_ready_names_what_stands() -> None:
    stuck = {"step": "answer", "topic": "flights", "partition": 3, "at": 812, "seconds": 61.0}
    for status, said in ask(Condition(False, "stuck", 1, [stuck])).values():
        assert status == HTTPStatus.SERVICE_UNAVAILABLE
        assert (said["reason"], said["stuck"]) == ("stuck", [stuck])
