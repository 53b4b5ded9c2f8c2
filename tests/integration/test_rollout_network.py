"""Promotions while a worker is cut off from the broker, and while the broker itself is gone."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from streamapp.act.commands import Promote
from streamapp.act.steps import SetWeight, Wait
from streamapp.control.client import new_id
from streamapp.kafka.following import ANSWER_MS
from tests.faults.proxy import BOTH, Faults, Proxy
from tests.integration.rollout_field import LAWFUL_MS, Field
from tests.proxied_kafka import ProxiedKafka

pytestmark = pytest.mark.newest_kafka
SESSION_S = 3.0


@pytest.fixture
async def ground(proxied_kafka: ProxiedKafka, tmp_path: Path, topic: Callable[[str], str]) -> AsyncIterator[Field]:
    quick = {"session.timeout.ms": int(SESSION_S * 1000), "heartbeat.interval.ms": 500}
    found = Field(proxied_kafka.bootstrap_servers, tmp_path, topic, quick)
    await found.create()
    found.put("2")
    yield found
    found.close()
    proxied_kafka.proxy.heal()


async def partition(proxy: Proxy, ground: Field) -> None:
    proxy.apply(Faults(held=BOTH))


async def reset(proxy: Proxy, ground: Field) -> None:
    proxy.reset()


async def lose(proxy: Proxy, ground: Field) -> None:
    await asyncio.to_thread(proxy.lose, f"{ground.name}.control.log".encode())


@dataclass(frozen=True, slots=True)
class Trouble:
    """begin: what happens to the follower's connections. seconds: how long until they are whole. blind_s: how long it
    may go on with what it had, as it cannot know better."""

    begin: Callable[[Proxy, Field], Awaitable[None]]
    seconds: float
    blind_s: float


@pytest.mark.parametrize(
    "trouble",
    [
        Trouble(reset, 1.0, 0.0),
        # Only the connection to the control log; events come and go, so it would answer for as long as it is blind.
        Trouble(lose, ANSWER_MS / 1000 + 1.0, ANSWER_MS / 1000),
        Trouble(partition, 2 * SESSION_S, 2 * SESSION_S),
    ],
    ids=["reset", "control connection lost", "partition"],
)
async def test_a_follower_that_is_cut_off_catches_up(
    ground: Field, proxied_kafka: ProxiedKafka, trouble: Trouble
) -> None:
    leader = ground.start()
    follower = ground.start(f"kafka.bootstrap.servers={proxied_kafka.proxied_servers}")
    await ground.until_said(follower, "holds 2 partitions")
    # Partitions are dealt in the order of client ids, and who has the first one leads.
    await ground.until_said(leader, "this worker leads")
    async with ground.feeding(400), ground.control() as client:
        rollout = await ground.roll_out(client, "2", SetWeight(30), Wait())
        await ground.until(client, lambda r: r.weight == 30)
        await ground.until_said(follower, "Advance by leader")
        await trouble.begin(proxied_kafka.proxy, ground)
        promote = Promote(id=new_id(), by="test", at_ms=int(time.time() * 1000), rollout=rollout)
        assert not (await client.send(promote)).refusal
        await ground.until(client, lambda r: r.over)
        await asyncio.sleep(trouble.seconds)
        proxied_kafka.proxy.heal()
        await ground.until_said(follower, "Promote by test")
        whole_ms = int(time.time() * 1000)
        await asyncio.sleep(LAWFUL_MS / 1000 + 1.0)
    assert client.state.rollouts["scorer"].status == "promoted"
    answers = await ground.answers()
    assert answers.dead == []
    if trouble.begin is not partition:
        assert answers.repeated == 0
    assert answers.unlawful(client.entries, ground.name, LAWFUL_MS + int(trouble.blind_s * 1000)) == []
    after = {value["model_version"] for at_ms, value in answers.predictions if at_ms > whole_ms + LAWFUL_MS}
    assert after == {"2"}


async def test_a_swap_whose_connections_are_reset_repeats_nothing(ground: Field, proxied_kafka: ProxiedKafka) -> None:
    ground.delivery = "exactly_once"
    changes = ["delivery=exactly_once", f"kafka.bootstrap.servers={proxied_kafka.proxied_servers}"]
    workers = [ground.start(*changes) for _ in range(2)]
    for worker in workers:
        await ground.until_said(worker, "holds 2 partitions")
    async with ground.feeding(400), ground.control() as client:
        await ground.roll_out(client, "2", SetWeight(30), Wait(1), SetWeight(60), Wait(1))
        for weight in (30, 60):
            # The step has been sent; no worker's swap is committed yet.
            await ground.until(client, lambda r, weight=weight: r.weight == weight)
            proxied_kafka.proxy.reset()
        rollout = await ground.until(client, lambda r: r.over)
    assert rollout.status == "promoted", rollout.reason
    answers = await ground.answers()
    assert (answers.dead, answers.repeated, len(answers.ids)) == ([], 0, ground.fed)
    assert answers.versions().keys() == {"1", "2"}


async def test_a_broker_that_is_killed_in_the_middle_of_a_rollout(ground: Field, proxied_kafka: ProxiedKafka) -> None:
    await ground.started(2)
    async with ground.feeding(200), ground.control() as client:
        await ground.roll_out(client, "2", SetWeight(30), Wait(1), SetWeight(60), Wait(1))
        await ground.until(client, lambda r: r.step >= 1)
        # Who has not read by now that 30 % are the candidate's is told when the broker is back.
        began_s = time.monotonic()
        proxied_kafka.kill()
        proxied_kafka.start()
        await ground.until_fed(ground.fed + 1)  # a broker that listens may have no leaders yet
        blind_ms = int((time.monotonic() - began_s) * 1000)
        rollout = await ground.until(client, lambda r: r.over)
    assert rollout.status == "promoted", rollout.reason
    taken = [type(entry.command).__name__ for entry in client.entries if not entry.refusal]
    assert taken == ["Declare", "Start", "Advance", "Advance", "Advance"]
    answers = await ground.answers()
    assert answers.dead == []
    assert answers.versions().keys() == {"1", "2"}
    assert answers.unlawful(client.entries, ground.name, LAWFUL_MS + blind_ms) == []
