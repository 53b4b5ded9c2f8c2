"""Workers around one log: what each comes to serve, whoever leads."""

import threading
from collections.abc import AsyncIterator

import pytest

from streamapp.act.commands import (
    Abort,
    Aliased,
    Declare,
    DeclaredVariant,
    Deploy,
    Pause,
    Promote,
    Resume,
    Start,
    encode,
)
from streamapp.act.state import Promotion
from streamapp.act.steps import Analyse, SetShadow, SetWeight, Step, Wait
from streamapp.control.client import ControlClient, new_id
from streamapp.errors import (
    ControlError,
    IntegrityError,
    RegistryForbidden,
    RegistryUnavailable,
    StreamappError,
    UnknownFormat,
)
from streamapp.types import Tenant
from tests.act_log import CANARY
from tests.control_memory import Ground, Hand

STEPS: tuple[Step, ...] = (SetWeight(10), Wait())
TWO_MODELS = {
    **CANARY,
    "other": DeclaredVariant("other", "else", "1", 1.0, 0.0),
    "other-canary": DeclaredVariant("other", "else", "1", 0.0, 0.0),
}


@pytest.fixture
async def ground() -> Ground:
    return Ground()


@pytest.fixture
async def hands(ground: Ground) -> AsyncIterator[list[Hand]]:
    """A leader and another worker."""
    started = [await Hand(ground, TWO_MODELS, leads=leads).start() for leads in (True, False)]
    yield started
    for hand in started:
        for held in hand.shelf.held.values():
            held.set()
        await hand.die()


async def start(client: ControlClient, ground: Ground, version: str = "2", *steps: Step, model: str = "scorer") -> str:
    wiring = "champion" if model == "scorer" else "other"
    command = Start(
        id=new_id(),
        by="ann",
        at_ms=ground.clock.now_ms(),
        expects=client.state.models[model],
        model=model,
        version=version,
        tenant=Tenant(wiring, version),
        steps=steps or STEPS,
    )
    entry = await client.send(command)
    assert not entry.refusal
    return command.id


async def several_looks(ground: Ground, leader: Hand, worker: Hand) -> None:
    """Return once the leader has looked more than once at what `worker` says of the newest revision."""
    newest = leader.duty.state.revision
    await leader.until(lambda: (ground.reports.latest(worker.duty.name).read or 0) >= newest)
    before = ground.eyes.looks
    await leader.until(lambda: ground.eyes.looks >= before + 2)


async def test_all_serve_what_the_file_says_and_one_declares_it(ground, hands):
    assert [hand.shelf.versions["champion"] for hand in hands] == ["", ""]
    assert len(ground.topic.records) == 1


async def test_a_rollout_reaches_every_worker_without_a_restart(ground, hands):
    async with ControlClient(ground.topic) as client:
        await start(client, ground)
        for hand in hands:
            await hand.until(lambda hand=hand: hand.shelf.versions["champion-canary"] == "2")
            await hand.until(lambda hand=hand: hand.duty.state.weights["champion-canary"] > 0)
        assert client.state.rollouts["scorer"].step == 1


async def test_the_candidate_waits_for_the_slowest_worker(ground, hands):
    leader, slow = hands
    slow.shelf.held["2"] = threading.Event()
    async with ControlClient(ground.topic) as client:
        await start(client, ground)
        await leader.until(lambda: leader.shelf.versions["champion-canary"] == "2")
        await several_looks(ground, leader, slow)
        assert client.state.weights["champion-canary"] == 0
        slow.shelf.held["2"].set()
        await leader.until(lambda: client.state.weights["champion-canary"] > 0)


async def test_a_version_that_one_worker_cannot_load_is_taken_back(ground, hands):
    leader, broken = hands
    broken.shelf.torn.add("2")
    async with ControlClient(ground.topic) as client:
        await start(client, ground)
        await leader.until(lambda: client.state.rollouts["scorer"].over)
        reason = client.state.rollouts["scorer"].reason
    assert reason == f"worker {broken.duty.name} cannot serve version 2: version 2 is torn"
    for hand in hands:
        await hand.until(lambda hand=hand: hand.shelf.versions["champion-canary"] == "")


async def test_promoting_skips_no_worker_that_loads_it_still(ground, hands):
    leader, slow = hands
    slow.shelf.held["2"] = threading.Event()
    async with ControlClient(ground.topic) as client:
        rollout = await start(client, ground)
        await leader.until(lambda: leader.shelf.versions["champion-canary"] == "2")
        assert not (await client.send(Promote(id=new_id(), by="ann", at_ms=0, rollout=rollout))).refusal
        await several_looks(ground, leader, slow)
        assert client.state.rollouts["scorer"].status == "progressing"
        slow.shelf.held["2"].set()
        for hand in hands:
            await hand.until(lambda hand=hand: hand.shelf.versions["champion"] == "2")


async def test_what_was_promoted_and_cannot_be_loaded_is_taken_back(ground, hands):
    leader, broken = hands
    broken.shelf.held["2"] = threading.Event()
    broken.shelf.torn.add("2")
    async with ControlClient(ground.topic) as client:
        rollout = await start(client, ground)
        await client.send(Promote(id=new_id(), by="ann", at_ms=0, rollout=rollout))
        broken.shelf.held["2"].set()
        await leader.until(lambda: client.state.rollouts["scorer"].over)
        assert client.state.rollouts["scorer"].reason.endswith("cannot serve version 2: version 2 is torn")
    assert {hand.shelf.versions["champion"] for hand in hands} == {""}


async def test_a_version_that_the_registry_does_not_give_now_is_tried_again_while_it_is_wanted(ground, hands):
    leader, cut_off = hands
    cut_off.shelf.away |= {"2", "3"}
    async with ControlClient(ground.topic) as client:
        for version in ("3", "2"):
            deploy = Deploy(
                id=new_id(),
                by="ann",
                at_ms=0,
                expects=client.state.models["scorer"],
                model="scorer",
                version=version,
                tenant=Tenant("champion", version),
            )
            assert not (await client.send(deploy)).refusal
        await leader.until(lambda: "2" in leader.shelf.versions.values())
        await cut_off.until(lambda: bool(cut_off.enforcer.failed))
        assert set(cut_off.shelf.versions.values()) == {""}
        cut_off.shelf.away.clear()
        await cut_off.until(lambda: "2" in cut_off.shelf.versions.values())
        assert (cut_off.enforcer.failed, cut_off.enforcer.revision) == ((), client.state.revision)
        # Which nobody wants any more.
        assert "3" not in cut_off.shelf.versions.values()


async def test_a_version_that_breaks_while_it_answers_is_taken_back(ground, hands):
    async with ControlClient(ground.topic) as client:
        await start(client, ground)
        await hands[0].until(lambda: client.state.weights["champion-canary"] > 0)
        hands[1].shelf.breaking.add("2")
        await hands[0].until(lambda: client.state.rollouts["scorer"].over)
        assert client.state.rollouts["scorer"].reason.endswith("cannot serve version 2: it broke")


async def test_a_version_that_broke_is_tried_again_by_a_new_command(ground, hands):
    leader, worker = hands
    async with ControlClient(ground.topic) as client:
        await start(client, ground, "2", SetWeight(100))
        await leader.until(lambda: client.state.rollouts["scorer"].status == "promoted")
        said = {"model": "scorer", "version": "1", "tenant": Tenant("champion")}
        await client.send(Deploy(id=new_id(), by="ann", at_ms=0, expects=client.state.models["scorer"], **said))
        # It stays in the canary's place all the time, as the version to come back to.
        for attempt in range(2):
            await start(client, ground)
            await leader.until(lambda: client.state.weights["champion-canary"] > 0)
            assert client.state.tenants["champion-canary"] == Tenant("champion", "2")
            if attempt == 0:
                worker.shelf.breaking.add("2")
                await leader.until(lambda: client.state.rollouts["scorer"].over)
        assert not client.state.rollouts["scorer"].over


async def test_a_rollback_does_not_wait_for_another_models_loading(ground, hands):
    leader, slow = hands
    async with ControlClient(ground.topic) as client:
        await start(client, ground, "2", SetWeight(50), Wait())
        await leader.until(lambda: client.state.weights["champion-canary"] > 0)
        slow.shelf.held["5"] = threading.Event()
        await start(client, ground, "5", model="else")
        rollout = client.state.rollouts["scorer"].id
        await client.send(Abort(id=new_id(), by="ann", at_ms=0, rollout=rollout))
        await slow.until(lambda: set(slow.shelf.served[-1].router.owners[:5_000].tolist()) == {0})
        assert slow.shelf.versions["other-canary"] == ""


async def test_a_resume_from_a_machine_that_is_an_hour_behind_ends_no_pause(ground, hands):
    async with ControlClient(ground.topic) as client:
        id = await start(client, ground, "2", Wait(60))
        await hands[0].until(lambda: client.state.rollouts["scorer"].step == 0)
        hour_ago_ms = ground.clock.now_ms() - 3_600_000
        await client.send(Pause(id=new_id(), by="bob", at_ms=hour_ago_ms, rollout=id, turn=0))
        await client.send(Resume(id=new_id(), by="bob", at_ms=hour_ago_ms, rollout=id, turn=1))
        # The leader looks meanwhile.
        await start(client, ground, "5", model="else")
        await hands[0].until(lambda: client.state.rollouts["else"].step == 1)
        assert (client.state.rollouts["scorer"].step, client.state.rollouts["scorer"].over) == (0, False)
        ground.clock.advance(60)
        await hands[0].until(lambda: client.state.rollouts["scorer"].over)


@pytest.mark.parametrize("ahead_ms", [3_600_000, -3_600_000])
async def test_a_pause_takes_its_time_where_the_brokers_clock_is_another(ahead_ms):
    ground = Ground(ahead_ms=ahead_ms)
    hand = await Hand(ground, TWO_MODELS, leads=True).start()
    async with ControlClient(ground.topic) as client:
        await start(client, ground, "2", Wait(60))
        await start(client, ground, "5", model="else")
        await hand.until(lambda: client.state.rollouts["else"].step == 1)
        assert client.state.rollouts["scorer"].step == 0
        ground.clock.advance(60)
        await hand.until(lambda: client.state.rollouts["scorer"].over)
    await hand.die()


async def test_a_new_leader_goes_on_where_the_last_one_stopped(ground, hands):
    first, second = hands
    async with ControlClient(ground.topic) as client:
        await start(client, ground, "2", Wait(5), SetWeight(30), Wait(5))
        await first.until(lambda: client.state.rollouts["scorer"].step == 0)
        await first.die()
        second.leads = True
        ground.clock.advance(5)
        await second.until(lambda: client.state.rollouts["scorer"].step == 2)
        ground.clock.advance(5)
        await second.until(lambda: client.state.rollouts["scorer"].status == "promoted")
    kinds = [type(entry.command).__name__ for entry in client.entries]
    assert kinds == ["Declare", "Start", "Advance", "Advance", "Advance"]


class Board:
    """The registry's alias, in memory. failing: what is raised instead, oldest first. held: what noting waits for."""

    def __init__(self, *failing: StreamappError) -> None:
        self.failing = list(failing)
        self.held: threading.Event | None = None
        self.noted: list[str] = []
        self.asked = 0

    def note(self, model: str, promotion: Promotion) -> str:
        self.asked += 1
        if self.held is not None:
            self.held.wait()
        if self.failing:
            raise self.failing.pop(0)
        if promotion.version not in self.noted:
            self.noted.append(promotion.version)
        return f"champion -> {promotion.version}"


def on_record(client: ControlClient) -> list[tuple[bool, str]]:
    """What was said of aliases, with effect."""
    found = [entry.command for entry in client.entries if not entry.refusal]
    return [(command.settled, command.reason) for command in found if isinstance(command, Aliased)]


async def test_a_promotion_reaches_the_registry_once_and_is_on_record(ground):
    boards = Board(), Board()
    hands = [await Hand(ground, TWO_MODELS, board, leads=True).start() for board in boards]
    async with ControlClient(ground.topic) as client:
        await start(client, ground, "2", SetWeight(100))
        await hands[0].until(lambda: on_record(client) == [(True, "champion -> 2")])
        assert {*boards[0].noted, *boards[1].noted} == {"2"}
        await start(client, ground, "5", SetWeight(100))
        await hands[0].until(lambda: len(on_record(client)) == 2)
    for hand in hands:
        await hand.die()


async def test_only_the_leader_writes_to_the_registry(ground):
    leading, other = Board(), Board()
    hands = [await Hand(ground, TWO_MODELS, board, leads=board is leading).start() for board in (leading, other)]
    async with ControlClient(ground.topic) as client:
        await start(client, ground, "2", SetWeight(100))
        await hands[0].until(lambda: on_record(client) == [(True, "champion -> 2")])
    assert (leading.asked, other.asked) == (1, 0)
    for hand in hands:
        await hand.die()


async def test_a_leader_that_dies_before_its_record_leaves_the_alias_to_the_next_one(ground):
    dying, next_one = Board(), Board()
    dying.held = threading.Event()
    first, second = [await Hand(ground, TWO_MODELS, board).start() for board in (dying, next_one)]
    first.leads = True
    async with ControlClient(ground.topic) as client:
        await start(client, ground, "2", SetWeight(100))
        await first.until(lambda: dying.asked == 1)
        assert client.state.rollouts["scorer"].status == "promoted"
        await first.die()
        second.leads = True
        await second.until(lambda: on_record(client) == [(True, "champion -> 2")])
        dying.held.set()
    assert next_one.noted == ["2"]
    await second.die()


async def test_a_registry_that_is_away_stops_nothing_is_said_once_and_tried_again(ground):
    board = Board(*(RegistryUnavailable(f"bucket does not answer, try {n}") for n in range(3)))
    hand = await Hand(ground, TWO_MODELS, board, leads=True).start()
    async with ControlClient(ground.topic) as client:
        await start(client, ground, "2", SetWeight(100))
        await hand.until(lambda: on_record(client) == [(False, "not moved: bucket does not answer, try 0")])
        await start(client, ground, "5", model="else")
        await hand.until(lambda: client.state.weights["other-canary"] > 0)
        assert board.asked == 1

        def settled_in_time() -> bool:
            ground.clock.advance(60)
            return on_record(client)[1:] == [(True, "champion -> 2")]

        await hand.until(settled_in_time)
    assert board.asked == 4
    await hand.die()


async def test_a_registry_that_hangs_stops_nothing(ground):
    board = Board()
    board.held = threading.Event()
    hand = await Hand(ground, TWO_MODELS, board, leads=True).start()
    async with ControlClient(ground.topic) as client:
        await start(client, ground, "2", SetWeight(100))
        await hand.until(lambda: board.asked == 1)
        await start(client, ground, "5", SetWeight(100), model="else")
        await hand.until(lambda: client.state.rollouts["else"].status == "promoted")
        board.held.set()
        await hand.until(lambda: len(on_record(client)) == 2)
    await hand.die()


@pytest.mark.parametrize("error", [RegistryForbidden("read only"), IntegrityError("read only")])
async def test_what_trying_again_does_not_mend_is_said_once(ground, error):
    board = Board(error, error)
    hand = await Hand(ground, TWO_MODELS, board, leads=True).start()
    async with ControlClient(ground.topic) as client:
        await start(client, ground, "2", SetWeight(100))
        await hand.until(lambda: on_record(client) == [(True, "not moved: read only")])
        ground.clock.advance(3_600)
        await start(client, ground, "5", model="else")
        await hand.until(lambda: client.state.weights["other-canary"] > 0)
    assert board.asked == 1
    await hand.die()


async def test_two_that_lead_do_nothing_twice(ground, hands):
    hands[1].leads = True
    async with ControlClient(ground.topic) as client:
        await start(client, ground, "2", Wait(5), SetWeight(30), Wait(5))
        for step in (0, 2):
            await hands[0].until(lambda step=step: client.state.rollouts["scorer"].step == step)
            ground.clock.advance(5)
        await hands[0].until(lambda: client.state.rollouts["scorer"].over)
        taken = [type(entry.command).__name__ for entry in client.entries if not entry.refusal]
    assert taken == ["Declare", "Start", "Advance", "Advance", "Advance"]


async def test_failing_evidence_rolls_back_and_says_which_condition(ground, hands):
    async with ControlClient(ground.topic) as client:
        await start(client, ground, "2", SetWeight(10), Analyse(1, 5, failure="error_rate > 0.1"))
        await hands[0].until(lambda: client.state.weights["champion-canary"] > 0)
        ground.eyes.evidence = {"error_rate": 0.5}
        ground.clock.advance(1)
        await hands[0].until(lambda: client.state.rollouts["scorer"].over)
        assert client.state.rollouts["scorer"].reason.endswith("error_rate > 0.1 (error_rate = 0.5)")
        for hand in hands:
            await hand.until(lambda hand=hand: set(hand.shelf.served[-1].router.owners[:5_000].tolist()) == {0})


async def test_a_rollout_that_the_leader_cannot_decide_on_is_taken_back_and_the_leader_lives(ground, hands, caplog):
    async with ControlClient(ground.topic) as client:
        await start(client, ground, "2", SetWeight(10), Analyse(1, 5, failure="error_rate > 0.1"))
        await hands[0].until(lambda: client.state.weights["champion-canary"] > 0)
        ground.eyes.evidence = {"error_rate": "many"}  # type: ignore[dict-item]
        ground.clock.advance(1)
        await hands[0].until(lambda: client.state.rollouts["scorer"].over)
        assert client.state.rollouts["scorer"].reason.startswith("the leader cannot decide on it: ValueError(")
        assert "no decision on rollout" in caplog.text
        await start(client, ground, "5", SetWeight(100), model="else")
        await hands[0].until(lambda: client.state.rollouts["else"].status == "promoted")


async def test_whoever_joins_late_serves_the_same_from_a_snapshot(ground, hands):
    async with ControlClient(ground.topic) as client:
        await start(client, ground, "2", SetWeight(30), Wait())
        await hands[0].until(lambda: client.state.weights["champion-canary"] > 0)
        await hands[0].until(lambda: "state" in ground.snapshots.kept)
        late = await Hand(ground, TWO_MODELS).start()
        assert late.duty.state == client.state
        assert late.shelf.versions["champion-canary"] == "2"
        await late.die()


@pytest.mark.parametrize("damaged", [b"\x00", b"", b'{"revision": "7"}', b'{"x": ' + b"[" * 100_000])
async def test_a_saved_state_that_cannot_be_read_is_made_anew_from_the_log(ground, hands, damaged):
    async with ControlClient(ground.topic) as client:
        await start(client, ground, "2", SetWeight(30), Wait())
        await hands[0].until(lambda: client.state.weights["champion-canary"] > 0)
        ground.snapshots.kept["state"] = damaged
        late = await Hand(ground, TWO_MODELS).start()
        assert late.duty.state == client.state
        await late.die()


async def test_a_worker_that_cannot_have_what_serves_does_not_start(ground, hands):
    async with ControlClient(ground.topic) as client:
        await start(client, ground)
        await hands[0].until(lambda: client.state.weights["champion-canary"] > 0)
        late = Hand(ground, TWO_MODELS)
        late.shelf.torn.add("2")
        with pytest.raises(ControlError, match="champion-canary is to serve what cannot be had here: version 2"):
            await late.start()
        await late.die()


@pytest.mark.parametrize("steps", [(SetWeight(0), Wait()), (SetShadow(100), Wait())])
async def test_a_worker_starts_without_a_version_that_answers_nobody_and_has_it_later(ground, hands, steps):
    async with ControlClient(ground.topic) as client:
        await start(client, ground, "2", *steps)
        await hands[0].until(lambda: client.state.rollouts["scorer"].step == 1)
        hands[0].leads = False
        late = Hand(ground, TWO_MODELS)
        late.shelf.away.add("2")
        await late.start()
        assert late.shelf.versions["champion-canary"] == ""
        assert late.shelf.served[-1].router.shadows == (0, 0, 0, 0)
        await late.until(lambda: bool(late.enforcer.failed))
        assert late.duty.revision < client.state.revision
        late.shelf.away.clear()
        await late.until(lambda: late.duty.revision == client.state.revision)
        assert late.shelf.versions["champion-canary"] == "2"
        assert late.shelf.served[-1].router.shadows == client.state.plan().shadows
    await late.die()


async def test_a_candidate_that_a_worker_cannot_have_when_it_starts_is_taken_back(ground, hands):
    async with ControlClient(ground.topic) as client:
        await start(client, ground, "2", Wait())
        await hands[0].until(lambda: client.state.rollouts["scorer"].step == 0)
        late = Hand(ground, TWO_MODELS)
        late.shelf.torn.add("2")
        await late.start()
        await hands[0].until(lambda: client.state.rollouts["scorer"].over)
        assert client.state.rollouts["scorer"].reason == (
            f"worker {late.duty.name} cannot serve version 2: version 2 is torn"
        )
    await late.die()


async def test_what_one_worker_lacks_does_not_keep_another_model(ground, hands):
    async with ControlClient(ground.topic) as client:
        await start(client, ground, "2", SetWeight(100))
        await hands[0].until(lambda: client.state.rollouts["scorer"].over)
        said = {"model": "scorer", "version": "1", "tenant": Tenant("champion")}
        await client.send(Deploy(id=new_id(), by="ann", at_ms=0, expects=client.state.models["scorer"], **said))
        late = Hand(ground, TWO_MODELS)
        late.shelf.torn.add("2")  # the version to come back to
        await late.start()
        await late.until(lambda: bool(late.enforcer.failed))
        await start(client, ground, "5", model="else")
        await late.until(lambda: late.shelf.versions["other-canary"] == "5")
        await late.until(lambda: client.state.weights["other-canary"] > 0)
    await late.die()


async def test_nobody_waits_for_a_worker_that_has_left(ground, hands):
    slow = Hand(ground, TWO_MODELS)
    slow.shelf.held["2"] = threading.Event()
    await slow.start()
    async with ControlClient(ground.topic) as client:
        await start(client, ground)
        await slow.until(lambda: slow.duty.state.revision == client.state.revision)
        await slow.leave()
        await hands[0].until(lambda: client.state.weights["champion-canary"] > 0)
    slow.shelf.held["2"].set()


async def test_the_last_good_version_is_back_without_loading(ground, hands):
    async with ControlClient(ground.topic) as client:
        await start(client, ground, "2", SetWeight(100))
        await hands[0].until(lambda: client.state.rollouts["scorer"].over)
        for hand in hands:
            await hand.until(lambda hand=hand: hand.shelf.versions["champion"] == "2")
            hand.shelf.held[None] = threading.Event()
        said = {"model": "scorer", "version": "1", "tenant": Tenant("champion")}
        expects = client.state.models["scorer"]
        await client.send(Deploy(id=new_id(), by="ann", at_ms=0, expects=expects, **said))
        for hand in hands:
            await hand.until(lambda hand=hand: hand.shelf.versions["champion"] == "")


async def test_a_leader_that_loses_the_reports_reads_them_again(ground):
    ground.reports.failing = 2
    hand = await Hand(ground, TWO_MODELS, leads=True).start()
    async with ControlClient(ground.topic) as client:
        await start(client, ground)
        await hand.until(lambda: client.state.weights["champion-canary"] > 0)
    await hand.die()


async def test_what_is_no_command_changes_nothing(ground, hands):
    await ground.topic.append(b"\x00junk")
    async with ControlClient(ground.topic) as client:
        assert client.entries[-1].refusal.startswith("not a command of this version")
        await start(client, ground)
        await hands[0].until(lambda: client.state.weights["champion-canary"] > 0)


async def test_workers_end_at_a_command_of_a_newer_version_and_do_not_start_behind_it(ground):
    hand = await Hand(ground, TWO_MODELS, leads=True).start()
    await ground.topic.append(b'{"format": 99, "kind": "abort", "id": "a", "by": "ann", "at_ms": 5, "rollout": "r"}')
    with pytest.raises(UnknownFormat, match="the command at 1 of the control log cannot be followed: it is of format"):
        await hand.ended()
    late = Hand(ground, TWO_MODELS)
    with pytest.raises(UnknownFormat, match="the command at 1 of the control log"):
        await late.start()
    for each in (hand, late):
        await each.die()


async def test_a_pipeline_file_with_other_variants_is_refused_under_a_rollout(ground, hands):
    async with ControlClient(ground.topic) as client:
        await start(client, ground)
    with pytest.raises(ControlError, match="cannot be put in force: the pipeline file changes model `scorer` while"):
        await Hand(ground, {"champion": CANARY["champion"]}).start()


NEWER = {**TWO_MODELS, "third": DeclaredVariant("third", "new", "1", 2.0, 0.0)}


async def test_a_worker_with_an_older_file_follows_what_it_knows_until_it_is_replaced(ground, hands):
    old = hands[1]
    async with ControlClient(ground.topic) as client:
        rollout = await start(client, ground, "2", SetWeight(50), Wait())
        await old.until(lambda: old.duty.state.weights["champion-canary"] > 0)
        before = old.shelf.served[-1].router.owners
        new = await Hand(ground, NEWER).start()
        assert client.state.declared == NEWER
        await old.until(lambda: bool(old.enforcer.failed))
        (failed,) = old.enforcer.failed
        assert (failed.variant, failed.tenant) == ("third", Tenant("third"))
        assert failed.reason.startswith("variant `third` is not in this worker's pipeline file: its keys are answered")
        # What the worker knows it follows, by the newest revision.
        await client.send(Abort(id=new_id(), by="ann", at_ms=0, rollout=rollout))
        await old.until(lambda: old.shelf.versions["champion-canary"] == "")
        plan, theirs = old.shelf.served[-1].router, client.state.plan()
        assert list(plan.tenants) == list(TWO_MODELS)
        kept = theirs.owners == list(theirs.tenants).index("third")
        assert kept.sum() == 5_000
        assert (plan.owners[kept] == before[kept]).all()
        assert (plan.owners[~kept] == theirs.owners[~kept]).all()
        assert old.duty.revision < client.state.revision == new.duty.revision
    await new.die()


async def test_a_variant_whose_model_is_another_in_a_newer_file_is_not_served_by_the_older_one_s(ground, hands):
    old = hands[1]
    ranker = {name: DeclaredVariant("champion", "ranker", "9", each.weight, 0.0) for name, each in CANARY.items()}
    before = old.shelf.versions
    new = await Hand(ground, {**TWO_MODELS, **ranker}).start()
    await old.until(lambda: bool(old.enforcer.failed))
    reasons = {failed.variant: failed.reason for failed in old.enforcer.failed}
    assert list(reasons) == list(CANARY)
    assert reasons["champion"].startswith("variant `champion` has another model in this worker's pipeline file: its")
    async with ControlClient(ground.topic) as client:
        # What is rolled out of the new model is none of its business, and what is of a model that it has is.
        await start(client, ground, "2", SetWeight(100), model="else")
        await old.until(lambda: old.shelf.versions["other"] == "2")
        assert old.shelf.versions == {**before, "other": "2"}
        assert old.duty.revision < client.state.revision
    await new.die()


async def test_an_older_file_does_not_win_again_and_leaves_no_trace(ground, hands):
    new = await Hand(ground, NEWER).start()
    written = len(ground.topic.records)
    old = Hand(ground, TWO_MODELS)
    with pytest.raises(ControlError, match=r"those of another file since revision 2 .* streamapp rollout declare"):
        await old.start()
    await old.die()
    assert len(ground.topic.records) == written
    async with ControlClient(ground.topic) as client:
        back = Declare(id="b", by="ann", at_ms=0, expects=2, variants=TWO_MODELS, again=True)
        assert not (await client.send(back)).refusal
    old = await Hand(ground, TWO_MODELS).start()
    await new.until(lambda: new.duty.revision == old.duty.revision == 3)
    with pytest.raises(ControlError, match="since revision 3"):
        await Hand(ground, NEWER).start()
    for hand in (old, new):
        await hand.die()


async def test_a_version_that_a_newer_file_gives_is_not_the_older_file_s_own(ground, hands):
    """It was rolled out, and then written into the file, as one does to keep it."""
    old = hands[1]
    async with ControlClient(ground.topic) as client:
        await start(client, ground, "2", SetWeight(100))
        await old.until(lambda: old.shelf.versions["champion"] == "2")
        scorer = {name: DeclaredVariant("champion", "scorer", "2", each.weight, 0.0) for name, each in CANARY.items()}
        new = await Hand(ground, {**TWO_MODELS, **scorer}).start()
        await old.until(lambda: old.duty.revision == client.state.revision)
        assert old.shelf.versions["champion"] == "2"
        assert new.shelf.versions["champion"] == ""
    await new.die()


async def test_a_file_that_changes_a_version_under_a_rollout_is_not_left_for_a_later_start(ground, hands):
    async with ControlClient(ground.topic) as client:
        await start(client, ground)
        await hands[0].until(lambda: client.state.weights["champion-canary"] > 0)
    scorer = {name: DeclaredVariant("champion", "scorer", "7", each.weight, 0.0) for name, each in CANARY.items()}
    with pytest.raises(ControlError, match="cannot be put in force: the pipeline file changes model `scorer` while"):
        await Hand(ground, {**TWO_MODELS, **scorer}).start()


async def test_a_file_is_declared_again_when_somebody_was_faster(ground, hands, monkeypatch):
    late = Hand(ground, NEWER)
    append = ground.topic.append

    async def second(value):
        monkeypatch.setattr(ground.topic, "append", append)
        other = {**TWO_MODELS, "other": DeclaredVariant("other", "other", "1", 1.0, 0.0)}
        faster = Declare(id="f", by="bob", at_ms=0, expects=hands[0].duty.state.declaration, variants=other)
        await append(encode(faster))
        await append(value)

    monkeypatch.setattr(ground.topic, "append", second)
    await late.start()
    assert late.duty.state.declared == NEWER
    await late.die()


async def test_a_declaration_that_was_sent_before_is_refused(ground, hands):
    value = encode(Declare(id="d", by="ann", at_ms=0, expects=0, variants=CANARY))
    await ground.topic.append(value)
    async with ControlClient(ground.topic) as client:
        assert "sent before" in client.entries[-1].refusal
