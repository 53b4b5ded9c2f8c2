"""What two workers under control say of it on /metrics, without one event."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from streamapp.act.commands import Promote
from streamapp.act.steps import SetShadow, SetWeight, Wait
from streamapp.control.client import new_id
from streamapp.demo.broker import EmbeddedBroker
from streamapp.demo.scrape import Scrape, scrape
from tests.brokers import free_ports
from tests.integration.rollout_field import MODEL, PATIENCE_S, Field


@pytest.fixture
async def ground(embedded_broker: EmbeddedBroker, tmp_path: Path, topic: Callable[[str], str]) -> AsyncIterator[Field]:
    quick = {"session.timeout.ms": 2000, "heartbeat.interval.ms": 400, "fetch.max.wait.ms": 20}
    found = Field(embedded_broker.bootstrap_servers, tmp_path, topic, quick)
    await found.create()
    yield found
    found.close()


async def watched(ground: Field) -> list[int]:
    """Two workers that are ready; the ports of their metrics."""
    ports = free_ports(2)
    for worker in [ground.start("metrics.enabled=true", f"metrics.port={port}") for port in ports]:
        await ground.until_said(worker, "is ready")
    return ports


async def pages_once(ports: list[int], true: Callable[[Scrape], bool]) -> list[Scrape]:
    """The metrics of all once something holds of each."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        pages = [page for port in ports if (page := await asyncio.to_thread(scrape, port)) is not None]
        if len(pages) == len(ports) and all(true(page) for page in pages):
            return pages
        assert time.monotonic() < deadline, [[s for s in page.samples if "control" in s.name] for page in pages]
        await asyncio.sleep(0.05)


def in_phase(phase: str) -> Callable[[Scrape], bool]:
    return lambda page: page.total("streamapp_rollout_phase", model_name=MODEL, phase=phase) == 1


def versions(page: Scrape) -> set[tuple[str, str]]:
    found = [sample.labels for sample in page.samples if sample.name == "streamapp_model_info"]
    return {(labels["variant"], labels["model_version"]) for labels in found}


async def test_a_rollout_is_followed_on_the_metrics_of_every_worker(ground: Field) -> None:
    ground.put("2")
    ports = await watched(ground)
    async with ground.control() as client:
        rollout = await ground.roll_out(client, "2", SetShadow(100), SetWeight(25), Wait())
        await ground.until(client, lambda each: each.step == 2)
        revision = client.state.revision

        def in_force(page: Scrape) -> bool:
            return page.total("streamapp_control_revision") == client.state.revision

        pages = await pages_once(ports, in_force)
        assert sum(page.total("streamapp_control_leader") for page in pages) == 1
        for page in pages:
            assert in_phase("waiting")(page)
            assert page.total("streamapp_rollout_phase") == 1
            assert page.total("streamapp_rollout_step") == page.total("streamapp_rollout_steps") == 3
            assert page.total("streamapp_control_log_revision") == revision
            assert page.total("streamapp_variant_weight_ratio", variant="champion") == 0.75
            assert page.total("streamapp_variant_weight_ratio", variant="champion-canary") == 0.25
            assert page.total("streamapp_variant_shadow_ratio", variant="champion-canary") == 1
            assert versions(page) == {("champion", "1"), ("champion-canary", "2")}

        await client.send(Promote(id=new_id(), by="test", at_ms=0, rollout=rollout))
        for page in await pages_once(ports, lambda page: in_force(page) and in_phase("promoted")(page)):
            assert versions(page) == {("champion", "2"), ("champion-canary", "1")}
            assert page.total("streamapp_variant_weight_ratio", variant="champion") == 1
            assert page.total("streamapp_variant_shadow_ratio") == 0
            assert page.total("streamapp_control_load_failures_total") == 0
