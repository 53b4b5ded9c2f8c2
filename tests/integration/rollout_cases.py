"""Rollouts on two real workers under load: nothing is lost, and only who should answers."""

import asyncio
import time
from collections import Counter

import numpy as np

from streamapp.act.commands import Abort, Deploy
from streamapp.act.steps import Analyse, SetShadow, SetWeight, Wait
from streamapp.control.client import new_id
from streamapp.types import Tenant
from tests.integration.rollout_field import MODEL, Field
from tests.onnx_models import onnx_model

ENDS_WITHIN_S = 30.0
"""How long a worker that is told to end may take, on a busy machine."""
PATIENCE = 50
"""Looks that may be without evidence: a busy machine may answer nothing for longer than a look's interval."""


class RolloutCases:
    """Subclassed once per broker, beside a `ground` fixture."""

    async def test_a_canary_goes_all_the_way_and_nothing_is_lost(self, ground: Field) -> None:
        ground.put("2")
        await ground.started(2)
        async with ground.feeding(), ground.control() as client:
            steps = (
                SetWeight(20),
                Analyse(0.5, 2, failure="error_rate > 0.1", inconclusive_limit=PATIENCE),
                SetWeight(60),
                Wait(0.5),
            )
            await ground.roll_out(
                client,
                "2",
                SetShadow(100),
                Analyse(0.5, 2, success="agreement >= 0", inconclusive_limit=PATIENCE),
                *steps,
            )
            rollout = await ground.until(client, lambda r: r.over)
            assert rollout.status == "promoted", rollout.reason
            await asyncio.sleep(0.5)
        answers = await ground.answers()
        assert (answers.dead, answers.repeated) == ([], 0)
        assert answers.versions().keys() == {"1", "2"}
        assert answers.unlawful(client.entries, ground.name) == []

    async def test_a_sabotaged_version_is_taken_back_with_its_numbers(self, ground: Field) -> None:
        ground.put("3", onnx_model(float(np.nan)))
        await ground.started(2)
        async with ground.feeding(), ground.control() as client:
            await ground.roll_out(
                client, "3", SetWeight(20), Analyse(0.7, 20, failure="error_rate > 0.1", inconclusive_limit=PATIENCE)
            )
            rollout = await ground.until(client, lambda r: r.over)
        assert rollout.reason == "step 2: failureCondition met: error_rate > 0.1 (error_rate = 1)"
        answers = await ground.answers()
        assert answers.repeated == 0
        assert 0 < len(answers.dead) < 0.5 * ground.fed
        assert answers.versions().keys() == {"1"}

    async def test_the_registry_s_alias_follows_a_promotion_past_the_leader_s_death(self, ground: Field) -> None:
        ground.put("2")
        alias = ground.folder / "registry" / MODEL / "_aliases" / "champion.json"
        alias.mkdir(parents=True)  # away: what is there is no file
        await ground.started(2)
        async with ground.feeding(200), ground.control() as client:
            id = await ground.roll_out(client, "2", SetWeight(100))
            # 1. It is promoted without the registry, which is on record.
            promotion = await ground.until_aliased(client, "2", settled=False)
            assert client.state.rollouts[MODEL].status == "promoted"
            assert promotion.reason.startswith("not moved: registry ")
            # 2. The leader dies, and the registry comes back.
            ground.leader().stop(grace_s=0.0)
            alias.rmdir()
            # 3. The next leader completes it, once.
            promotion = await ground.until_aliased(client, "2")
            assert promotion.reason == "champion -> 2, before nothing"
        found = ground.registry.alias(MODEL, "champion")
        assert found is not None
        assert [(move.who, move.target) for move in found.history] == [(f"test, {id}", "2")]
        answers = await ground.answers()
        assert (answers.dead, answers.unlawful(client.entries, ground.name)) == ([], [])


class AllRolloutCases(RolloutCases):
    """These too, where there is time for them."""

    async def test_a_file_with_one_more_variant_is_deployed_worker_by_worker(self, ground: Field) -> None:
        older, newer = ground.pipeline, ground.with_one_more()
        old = await ground.started(2)
        async with ground.feeding(400), ground.control() as client:
            ground.pipeline = newer
            new = await ground.started(1)
            # 1. Who has the older file goes on, and says what it lacks.
            for worker in old:
                await ground.until_said(worker, "variant `extra` is not in this worker's pipeline file")
            # 2. One of them is started again meanwhile, and does not win.
            ground.pipeline = older
            again = ground.start()
            assert await asyncio.to_thread(again.wait, 30)
            assert again.exit_status == 1
            assert "go back to this one: streamapp rollout declare --pipeline FILE" in ground.said(again)
            # 3. They are replaced.
            ground.pipeline = newer
            assert await asyncio.to_thread(old[0].stop, grace_s=ENDS_WITHIN_S) == 0
            new += await ground.started(1)
            assert await asyncio.to_thread(old[1].stop, grace_s=ENDS_WITHIN_S) == 0
            assert list(client.state.declared) == ["champion", "extra", "champion-canary", "extra-canary"]
            # Workers that start at once with one file all declare it; one of them with effect.
            taken = [type(entry.command).__name__ for entry in client.entries if not entry.refusal]
            assert taken == ["Declare", "Declare"]
        before = ground.fed
        async with ground.feeding(400):
            await ground.until_fed(before + 400)
        answers = await ground.answers()
        assert answers.dead == []
        late = Counter(v["model_version"] for _, v in answers.predictions if int(v["id"][1:]) >= before)
        assert late.keys() == {"1", "7"}
        assert 0.35 < late["7"] / late.total() < 0.65
        assert not any("is not in this worker's" in ground.said(worker) for worker in new)

    async def test_a_worker_starts_while_the_registry_is_unmounted(self, ground: Field) -> None:
        ground.put("2")
        registry, elsewhere = ground.folder / "registry", ground.folder / "unmounted"
        await ground.started(1)
        async with ground.feeding(200), ground.control() as client:
            await ground.roll_out(client, "2", SetWeight(0), Wait())
            await ground.until(client, lambda r: r.step == 1)
            registry.rename(elsewhere)
            (late,) = await ground.started(1)
            # It says so, and the leader takes back what nobody was answered by.
            rollout = await ground.until(client, lambda r: r.over)
            assert f"registry {registry}: there is no such folder; mount it" in rollout.reason
            elsewhere.rename(registry)
            await ground.roll_out(client, "2", SetWeight(100))
            rollout = await ground.until(client, lambda r: r.over)
            assert rollout.status == "promoted", rollout.reason
            await ground.until_said(late, "Advance by leader")
        answers = await ground.answers()
        assert answers.dead == []
        assert answers.unlawful(client.entries, ground.name) == []

    async def test_when_the_leader_is_killed_another_goes_on(self, ground: Field) -> None:
        ground.put("2")
        await ground.started(2)
        async with ground.feeding(200), ground.control() as client:
            await ground.roll_out(client, "2", SetWeight(30), Wait(1), SetWeight(60), Wait(1))
            await ground.until(client, lambda r: r.step >= 1)
            ground.leader().stop(grace_s=0.0)
            rollout = await ground.until(client, lambda r: r.over)
        assert rollout.status == "promoted"
        taken = [type(entry.command).__name__ for entry in client.entries if not entry.refusal]
        assert [kind for kind in taken if kind != "Aliased"] == ["Declare", "Start", "Advance", "Advance", "Advance"]
        answers = await ground.answers()
        assert answers.dead == []
        assert answers.unlawful(client.entries, ground.name) == []

    async def test_what_is_not_what_it_was_is_refused_and_nothing_changes(self, ground: Field) -> None:
        ground.put("2")
        (artefact,) = (ground.folder / "registry").rglob("model.onnx")
        artefact.write_bytes(onnx_model(99.0))
        await ground.started(2)
        async with ground.feeding(), ground.control() as client:
            await ground.roll_out(client, "2", SetWeight(50), Wait())
            rollout = await ground.until(client, lambda r: r.over)
        assert "cannot serve version 2: variant `champion`, model `scorer` version `2`:" in rollout.reason
        assert (await ground.answers()).versions().keys() == {"1"}

    async def test_whoever_joins_late_answers_like_the_others(self, ground: Field) -> None:
        ground.put("2")
        await ground.started(1)
        async with ground.control() as client:
            await ground.roll_out(client, "2", SetWeight(50), Wait())
            await ground.until(client, lambda r: r.weight == 50)
            await ground.started(1)
            async with ground.feeding():
                await asyncio.sleep(1.0)
        answers = await ground.answers()
        assert 0.4 < answers.versions()["2"] / ground.fed < 0.6
        assert answers.unlawful(client.entries, ground.name) == []

    async def test_a_rollback_by_hand_is_in_force_within_a_second(self, ground: Field) -> None:
        ground.put("2")
        await ground.started(2)
        async with ground.feeding(), ground.control() as client:
            id = await ground.roll_out(client, "2", SetWeight(50), Wait())
            await ground.until(client, lambda r: r.weight == 50)
            await asyncio.sleep(0.5)
            await client.send(Abort(id=new_id(), by="test", at_ms=int(time.time() * 1000), rollout=id))
            await asyncio.sleep(1.5)
            await ground.roll_out(client, "2", SetWeight(100))
            await ground.until(client, lambda r: r.over)
            expects = client.state.models[MODEL]
            back = Deploy(
                id=new_id(),
                by="test",
                at_ms=int(time.time() * 1000),
                expects=expects,
                model=MODEL,
                version="1",
                tenant=Tenant("champion"),
            )
            assert not (await client.send(back)).refusal
            await asyncio.sleep(1.5)
        answers = await ground.answers()
        assert (answers.dead, answers.repeated) == ([], 0)
        assert answers.unlawful(client.entries, ground.name) == []
