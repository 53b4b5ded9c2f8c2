import msgspec
import pytest

from streamapp.act.analysis import Result
from streamapp.act.apply import Refusal
from streamapp.act.commands import (
    Abort,
    Advance,
    Aliased,
    Declare,
    DeclaredVariant,
    Deploy,
    Measured,
    Pause,
    Promote,
    Resume,
    Start,
    Weighed,
    decode,
)
from streamapp.act.contest import Contest
from streamapp.act.rewards import Rewards
from streamapp.act.state import LOADING, Promotion, decode_state, encode_state, owners_of
from streamapp.act.steps import Analyse, Explore, SetShadow, SetWeight, Step, Wait
from streamapp.errors import ControlError, UnknownFormat
from streamapp.types import Tenant
from tests.act_log import CANARY, MemoryLog

OLD, NEW = Tenant("champion"), Tenant("champion", "2")
STEPS: tuple[Step, ...] = (SetWeight(10), Wait(5), Analyse(1, 2, failure="error_rate > 0.1"), SetWeight(50), Wait())


@pytest.fixture
def log() -> MemoryLog:
    log = MemoryLog()
    assert log.write(Declare, expects=0, variants=CANARY) is None
    return log


def at_step(log: MemoryLog, *steps: Step) -> str:
    """A rollout whose candidate is loaded everywhere; its id."""
    rollout = log.start(*steps)
    assert log.write(Advance, rollout=rollout.id, turn=0, step=LOADING) is None
    return rollout.id


def look(log: MemoryLog, id: str, number: int, result: Result = Result.SUCCESSFUL, **said: object) -> Refusal | None:
    rollout = log.state.rollout(id)
    assert rollout is not None
    said = {"turn": rollout.turn, "step": rollout.step, "reason": "seen", "evidence": {"error_rate": 0.5}, **said}
    return log.write(Measured, rollout=id, number=number, result=result, **said)


def reason(refusal: Refusal | None) -> str:
    assert refusal is not None
    return refusal.reason


def test_a_declared_pipeline_serves_what_its_file_says(log):
    plan = log.state.plan()
    assert plan.tenants == {"champion": OLD, "champion-canary": OLD}
    assert plan.shadows == (0.0, 0.0)
    assert plan.revision == 1
    assert set(plan.owners.tolist()) == {0}


def test_what_cannot_be_applied_is_refused(log):
    log.state = msgspec.structs.replace(log.state, table="torn")
    said = {"model": "scorer", "version": "2", "tenant": NEW, "steps": STEPS}
    assert "cannot be applied: ValueError" in reason(log.write(Start, expects=1, **said))
    assert log.state.rollouts == {}


@pytest.mark.parametrize(
    ("absurd", "why"),
    [
        ({"weight": -5.0}, "variant `champion`: weight -5 is not within 0 to 1e+06"),
        ({"weight": 1e308}, "weight 1e+308 is not within"),
        ({"shadow": 7.0}, "variant `champion`: shadow 7 is not within 0 to 1"),
        ({"shadow": -0.1}, "shadow -0.1 is not within"),
        ({"weight": 0.0}, "no variant has a weight"),
    ],
)
def test_a_declaration_with_shares_that_are_none_is_refused(log, absurd, why):
    declared = log.state.declared
    variants = {**declared, "champion": msgspec.structs.replace(declared["champion"], **absurd)}
    assert why in reason(log.write(Declare, expects=log.state.declaration, variants=variants))
    assert log.state.declared == declared


def test_a_version_other_than_the_one_to_be_served_is_refused(log):
    said = {"expects": 1, "model": "scorer", "version": "2"}
    for tenant, serves in ((Tenant("champion", "3"), "3"), (Tenant("champion-canary"), "1")):
        for kind, more in ((Start, {"steps": STEPS}), (Deploy, {})):
            why = reason(log.write(kind, tenant=tenant, **said, **more))
            assert why == f"version 2 is asked for, and what is to be served is version {serves}"


def test_the_candidate_gets_no_key_before_it_is_loaded(log):
    log.start(*STEPS)
    assert log.state.tenants["champion-canary"] == NEW
    assert log.state.weights["champion-canary"] == 0
    assert set(owners_of(log.state.table).tolist()) == {0}


def test_a_canary_goes_step_by_step_and_is_promoted(log):
    id = at_step(log, *STEPS)
    assert log.state.table == "0x9000,1x1000"
    assert log.write(Advance, rollout=id, turn=0, step=1) is None
    assert look(log, id, 1) is None
    assert look(log, id, 2) is None
    assert log.state.table == "0x5000,1x5000"
    assert log.write(Resume, rollout=id, turn=1) is None
    assert log.state.tenants == {"champion": NEW, "champion-canary": OLD}
    assert log.state.table == "0x10000"
    assert log.state.rollouts["scorer"].status == "promoted"


def test_a_failed_analysis_takes_the_candidate_back_and_says_why(log):
    id = at_step(log, SetWeight(10), Analyse(1, 3, failure="error_rate > 0.1"))
    assert look(log, id, 1, Result.FAILED, reason="failureCondition met: error_rate > 0.1 (error_rate = 0.5)") is None
    rollout = log.state.rollouts["scorer"]
    assert rollout.status == "aborted"
    assert rollout.reason == "step 2: failureCondition met: error_rate > 0.1 (error_rate = 0.5)"
    assert log.state.table == "0x10000"
    assert log.state.tenants == {"champion": OLD, "champion-canary": OLD}


def test_failures_within_the_limit_are_tolerated(log):
    id = at_step(log, SetWeight(10), Analyse(1, 2, failure="error_rate > 0.1", failure_limit=1), Wait())
    assert look(log, id, 1, Result.FAILED) is None
    assert look(log, id, 2) is None
    assert log.state.rollouts["scorer"].step == 2


def test_an_inconclusive_analysis_waits_for_a_person_and_begins_anew(log):
    id = at_step(log, SetWeight(10), Analyse(1, 1, success="auc > 0.6"), Wait())
    assert look(log, id, 1, Result.INCONCLUSIVE) is None
    assert log.state.rollouts["scorer"].status == "paused"
    assert "paused" in reason(look(log, id, 2))
    log.now_ms = 9_000
    assert log.write(Resume, rollout=id, turn=1) is None
    rollout = log.state.rollouts["scorer"]
    assert (rollout.status, rollout.step, rollout.measured, rollout.since_ms) == ("progressing", 1, 0, 9_000)


def test_the_senders_clock_counts_for_nothing(log):
    log.now_ms = 9_000
    id = at_step(log, Wait(60))
    assert log.write(Pause, rollout=id, turn=0, at_ms=5) is None
    assert log.write(Resume, rollout=id, turn=1, at_ms=5) is None
    rollout = log.state.rollouts["scorer"]
    assert (rollout.started_ms, rollout.since_ms) == (9_000, 9_000)


def test_a_shadow_scores_and_answers_nothing(log):
    at_step(log, SetShadow(20), Wait())
    assert log.state.plan().shadows == (0.0, 0.2)
    assert log.state.table == "0x10000"


def test_a_bandit_moves_weights_until_one_has_won(log):
    id = at_step(log, Explore(1, 9, least=5, confidence=0.95))
    contest = Contest(1.0, 2.0, Rewards(10, 5, 5), Rewards(10, 4, 4))
    said = {"rollout": id, "turn": 0, "step": 0, "evidence": {}, "contest": contest, "reason": "", "result": None}
    assert log.write(Weighed, **said, number=1, weight=70.0, best=0.7) is None
    assert log.state.table == "0x3000,1x7000"
    assert log.state.rollouts["scorer"].contest == contest
    assert "not within [5, 95]" in reason(log.write(Weighed, **said, number=2, weight=99.0, best=0.99))
    # That it is better by the posterior at one look is no reason to end.
    assert log.write(Weighed, **said, number=2, weight=95.0, best=1.0) is None
    won = {**said, "result": Result.SUCCESSFUL}
    assert log.write(Weighed, **won, number=3, weight=95.0, best=1.0) is None
    assert log.state.rollouts["scorer"].status == "promoted"


@pytest.mark.parametrize(
    ("result", "status", "why"),
    [
        (Result.FAILED, "aborted", "step 1: seen"),
        (Result.INCONCLUSIVE, "paused", "step 1 is inconclusive: seen"),
        (None, "paused", "step 1 is inconclusive after 1 looks: seen"),
    ],
)
def test_a_bandit_loses_or_ends_undecided(log, result, status, why):
    id = at_step(log, Explore(1, 1, least=5, confidence=0.95))
    said = {"rollout": id, "turn": 0, "step": 0, "evidence": {}, "contest": Contest(), "reason": "seen"}
    assert log.write(Weighed, **said, number=1, weight=50.0, best=0.5, result=result) is None
    rollout = log.state.rollouts["scorer"]
    assert (rollout.status, rollout.reason) == (status, why)


def test_a_bandit_that_begins_anew_has_no_contest_yet(log):
    id = at_step(log, Explore(1, 9))
    said = {"rollout": id, "turn": 0, "step": 0, "evidence": {}, "contest": Contest(1.0, 2.0), "reason": ""}
    assert log.write(Weighed, **said, number=1, weight=70.0, best=0.7, result=None) is None
    assert log.write(Pause, rollout=id, turn=0) is None
    assert log.write(Resume, rollout=id, turn=1) is None
    assert log.state.rollouts["scorer"].contest == Contest()


def test_promoting_by_hand_skips_what_is_left(log):
    id = at_step(log, *STEPS)
    assert log.write(Promote, rollout=id) is None
    assert log.state.tenants["champion"] == NEW


def test_promoting_while_it_is_loaded_skips_the_steps_and_no_worker(log):
    id = log.start(*STEPS).id
    assert log.write(Promote, rollout=id) is None
    rollout = log.state.rollouts["scorer"]
    assert (rollout.status, rollout.step, rollout.reason) == ("progressing", LOADING, "promoted by ann")
    assert (log.state.tenants["champion"], log.state.table) == (OLD, "0x10000")
    assert reason(log.write(Promote, rollout=id)) == (
        f"rollout {id} has no step left to skip, and waits until every worker has loaded it"
    )
    assert log.write(Advance, rollout=id, turn=rollout.turn, step=LOADING) is None
    assert log.state.rollouts["scorer"].status == "promoted"
    assert log.state.tenants["champion"] == NEW


def test_what_was_promoted_while_it_was_loaded_can_be_aborted_and_paused(log):
    id = log.start(*STEPS).id
    assert log.write(Pause, rollout=id, turn=0, reason="wait") is None
    assert log.write(Promote, rollout=id) is None
    assert log.state.rollouts["scorer"].status == "progressing"
    assert log.write(Pause, rollout=id, turn=2, reason="wait more") is None
    assert reason(log.write(Promote, rollout=id)).endswith("it is paused: resume it (wait more)")
    assert log.write(Abort, rollout=id) is None
    assert log.state.tenants == {"champion": OLD, "champion-canary": OLD}


def test_an_aborted_rollout_leaves_what_was_loaded_before(log):
    assert log.write(Promote, rollout=at_step(log, *STEPS)) is None
    id = log.start(*STEPS, version="3").id
    assert log.write(Abort, rollout=id, reason="changed my mind") is None
    assert log.state.tenants == {"champion": NEW, "champion-canary": OLD}
    assert log.state.rollouts["scorer"].reason == "changed my mind"


def test_going_back_to_the_last_good_version_is_immediate(log):
    assert log.write(Promote, rollout=at_step(log, *STEPS)) is None
    said = {"model": "scorer", "version": "1", "tenant": OLD, "expects": log.state.models["scorer"]}
    assert log.write(Deploy, **said) is None
    assert log.state.tenants == {"champion": OLD, "champion-canary": NEW}


def promotion(log: MemoryLog) -> Promotion:
    return log.state.promotions["scorer"]


def test_a_promotion_is_kept_until_its_alias_is_settled(log):
    log.now_ms = 7
    id = at_step(log, *STEPS)
    assert log.state.promotions == {}
    log.now_ms = 9
    assert log.write(Promote, rollout=id) is None
    assert promotion(log) == Promotion(id=id, by="ann", since_ms=7, revision=4, version="2", before="1")
    said = {"model": "scorer", "promotion": 4}
    assert log.write(Aliased, **said, settled=False, reason="away") is None
    assert "said before: away" in reason(log.write(Aliased, **said, settled=False, reason="away still"))
    assert log.write(Aliased, **said, settled=True, reason="champion -> 2, before 1") is None
    assert (promotion(log).settled, promotion(log).reason) == (True, "champion -> 2, before 1")
    assert "said before: champion -> 2" in reason(log.write(Aliased, **said, settled=True, reason="again"))


def test_a_version_that_is_deployed_is_promoted_once_it_answers(log):
    assert log.write(Promote, rollout=at_step(log, *STEPS)) is None
    back = {"model": "scorer", "version": "1", "tenant": OLD}
    assert log.write(Deploy, **back, expects=log.state.models["scorer"]) is None
    assert (promotion(log).id, promotion(log).version, promotion(log).before) == ("c4", "1", "2")
    late = log.write(Aliased, model="scorer", promotion=4, settled=True, reason="champion -> 2")
    assert reason(late) == "model `scorer` was not promoted at 4, or has been since"
    new = {"model": "scorer", "version": "7", "tenant": Tenant("champion", "7")}
    assert log.write(Deploy, **new, expects=log.state.models["scorer"]) is None
    assert promotion(log).version == "1"
    assert log.write(Advance, rollout=log.state.rollouts["scorer"].id, turn=0, step=LOADING) is None
    assert (promotion(log).version, promotion(log).before) == ("7", "1")


def test_what_was_aborted_is_no_promotion(log):
    assert log.write(Abort, rollout=log.start(*STEPS).id) is None
    assert log.state.promotions == {}


def test_deploying_the_stable_version_ends_the_rollout(log):
    at_step(log, *STEPS)
    said = {"model": "scorer", "version": "1", "tenant": OLD, "expects": log.state.models["scorer"]}
    assert log.write(Deploy, **said) is None
    assert log.state.rollouts["scorer"].status == "aborted"
    assert log.state.table == "0x10000"
    assert "answers already" in reason(log.write(Deploy, **{**said, "expects": log.state.models["scorer"]}))


def test_deploying_what_is_not_loaded_loads_it_first(log):
    said = {"model": "scorer", "version": "7", "tenant": Tenant("champion", "7"), "expects": 1}
    assert log.write(Deploy, **said) is None
    rollout = log.state.rollouts["scorer"]
    assert (rollout.step, log.state.tenants["champion"]) == (LOADING, OLD)
    assert log.write(Advance, rollout=rollout.id, turn=0, step=LOADING) is None
    assert log.state.tenants == {"champion": Tenant("champion", "7"), "champion-canary": OLD}


def test_a_second_rollout_of_the_model_is_refused(log):
    first = at_step(log, *STEPS)
    said = {"model": "scorer", "version": "3", "tenant": Tenant("champion", "3"), "steps": STEPS}
    why = reason(log.write(Start, expects=log.state.models["scorer"], **said))
    assert why.startswith(f"rollout {first} of `scorer` to version 2 is under way, started by ann")


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"model": "nothing"}, "no variant of the pipeline serves model `nothing`; models: scorer"),
        ({"tenant": OLD, "version": "1"}, "answers already"),
        ({"tenant": Tenant("absent", "2")}, "no variant `absent`"),
        ({"expects": 0}, "is at revision 1, not 0"),
        ({"steps": ()}, "at least one step"),
        ({"steps": (SetWeight(101),)}, "step 1: setWeight: 101 is no share"),
        ({"steps": (SetShadow(-1),)}, "step 1: setShadow: -1 is no share"),
        ({"steps": (Wait(0),)}, "duration must be above 0"),
        ({"steps": (Analyse(1, 1),)}, "needs a successCondition"),
        ({"steps": (Analyse(1, 0, success="a > 1"),)}, "count must be at least 1"),
        ({"steps": (Explore(0, 1),)}, "interval must be above 0"),
        ({"steps": (Explore(1, 1, least=50),)}, "minWeight"),
        ({"steps": (Explore(1, 1, confidence=1),)}, "confidence"),
        ({"steps": (Explore(1, 1, labels=0),)}, "minLabels must be at least 1"),
        ({"steps": (Explore(1, 1, low=1.0),)}, "minReward must be below maxReward"),
        ({"steps": (Explore(1, 1, high=1e300),)}, "minReward must be below maxReward"),
    ],
)
def test_a_start_that_makes_no_sense_is_refused(log, said, why):
    before = log.state
    start = {"expects": 1, "model": "scorer", "version": "2", "tenant": NEW, "steps": STEPS, **said}
    assert why in reason(log.write(Start, **start))
    assert log.state == before


def test_three_variants_of_a_model_cannot_be_rolled_out():
    log = MemoryLog()
    third = {"third": DeclaredVariant("third", "scorer", "3", 1.0, 0.0)}
    assert log.write(Declare, expects=0, variants={**CANARY, **third}) is None
    start = {"expects": 1, "model": "scorer", "version": "2", "tenant": NEW, "steps": STEPS}
    assert "champion, champion-canary, third" in reason(log.write(Start, **start))


def test_what_is_over_takes_no_more_commands(log):
    id = at_step(log, *STEPS)
    assert log.write(Abort, rollout=id) is None
    for kind, said in ((Abort, {}), (Promote, {}), (Pause, {"turn": 0}), (Resume, {"turn": 0})):
        assert "is over: aborted (aborted by ann)" in reason(log.write(kind, rollout=id, **said))
    assert "there is no rollout nobody" in reason(log.write(Abort, rollout="nobody"))


def test_a_leader_that_is_late_changes_nothing(log):
    id = at_step(log, SetWeight(10), Analyse(1, 3, failure="error_rate > 0.1"))
    assert look(log, id, 1) is None
    assert "is at look 2 of step 2; this is look 1" in reason(look(log, id, 1))
    assert log.write(Pause, rollout=id, turn=0) is None
    assert log.write(Resume, rollout=id, turn=1) is None
    assert "was paused or resumed since" in reason(look(log, id, 1, turn=0))
    assert look(log, id, 1) is None


def test_a_changed_file_starts_its_model_anew_and_leaves_the_others(log):
    assert log.write(Promote, rollout=at_step(log, *STEPS)) is None
    other = {"other": DeclaredVariant("other", "else", "1", 1.0, 0.0)}
    assert log.write(Declare, expects=1, variants={**CANARY, **other}) is None
    assert log.state.tenants == {"champion": NEW, "champion-canary": OLD, "other": Tenant("other")}
    assert log.state.table == "0x5000,2x5000"
    changed = {"champion": DeclaredVariant("champion", "scorer", "9", 1.0, 0.0)}
    expects = log.state.declaration
    assert log.write(Declare, expects=expects, variants={**CANARY, **changed, **other}) is None
    assert log.state.tenants["champion"] == OLD
    assert "scorer" not in log.state.rollouts


def test_an_older_file_comes_back_only_when_somebody_says_so(log):
    newer = {**CANARY, "other": DeclaredVariant("other", "else", "1", 1.0, 0.0)}
    assert log.write(Declare, expects=1, variants=newer) is None
    older = dict(reversed(CANARY.items()))
    assert "the pipeline file is an older one" in reason(log.write(Declare, expects=2, variants=older))
    assert log.state.declared == newer
    assert log.write(Declare, expects=2, variants=older, again=True) is None
    assert log.state.declared == CANARY
    # Now the other one is older.
    assert "an older one" in reason(log.write(Declare, expects=4, variants=newer))
    assert log.write(Declare, expects=4, variants={"champion": CANARY["champion"]}) is None
    assert len(log.state.replaced) == 2


def test_a_file_that_changes_under_a_rollout_is_refused(log):
    at_step(log, *STEPS)
    changed = {"champion": DeclaredVariant("champion", "scorer", "9", 1.0, 0.0)}
    assert "while rollout" in reason(log.write(Declare, expects=1, variants={**CANARY, **changed}))
    assert "said before" in reason(log.write(Declare, expects=1, variants=CANARY))


ABORT = b'"kind": "abort", "id": "a", "by": "ann", "rollout": "r"'


def test_a_command_without_a_number_is_of_the_first_format():
    assert decode(b'{%b, "at_ms": 5}' % ABORT).format == 1


@pytest.mark.parametrize("said", [b"", b', "kin": "folk"'])
def test_a_command_of_a_newer_format_is_not_followed(said):
    with pytest.raises(UnknownFormat, match="of format 99, and this version of streamapp knows up to"):
        decode(b'{"format": 99, %b, "at_ms": 5%b}' % (ABORT, said))


def test_a_snapshot_of_a_newer_format_is_not_taken(log):
    value = encode_state(log.state)
    assert decode_state(value) == log.state
    with pytest.raises(UnknownFormat):
        decode_state(value.replace(b'"format":', b'"format":9', 1))


def test_a_snapshot_without_a_number_is_of_the_first_format(log):
    assert decode_state(msgspec.json.encode(log.state)) == log.state


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (b'"at_ms": 5, "soon": true', "unknown field `soon`"),
        (b'"at_ms": 5, "format": 0', "`int` >= 1"),
        (b'"at_ms": 5, "format": "2"', "Expected `int`, got `str`"),
        (b'"at_ms": -1', "`int` >= 0"),
        (b'"at_ms": 1000000000000000000000000000000', "`int` <= 253402300799999"),
    ],
)
def test_a_command_that_says_what_it_cannot_say_is_refused(said, why):
    with pytest.raises(ControlError, match=f"not a command of this version of streamapp: .*{why}"):
        decode(b"{%b, %b}" % (ABORT, said))


def test_a_step_or_variant_that_says_more_is_refused(log):
    log.start(SetWeight(10), Wait(5))
    for value, known in zip(log.values, (b'"wiring":', b'"duration_s":'), strict=True):
        with pytest.raises(ControlError, match="unknown field `then`"):
            decode(value.replace(known, b'"then":1,' + known))


def test_what_is_no_command_is_named():
    with pytest.raises(ControlError, match="not a command of this version"):
        decode(b'{"kind": "dance"}')
    with pytest.raises(ControlError, match="not a command of this version"):
        decode(b"\xff")
