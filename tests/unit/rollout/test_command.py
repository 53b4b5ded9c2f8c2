import json
import re
import sys

import pytest
from msgspec.structs import replace

from streamapp.act.commands import Aliased, Declare, DeclaredVariant, Start
from streamapp.act.rewards import Rewards
from streamapp.act.steps import SetWeight, Wait
from streamapp.cli.main import main
from streamapp.types import Tenant
from tests.rollout_log import reach_to

GOOD = {"error_rate": 0.001, "log_loss": 0.4, "champion_log_loss": 0.5}
LOOKS = ("--interval", "5s", "--count", "2", "--success", "log_loss < champion_log_loss")
CANARY = ("--weights", "10,50,100", *LOOKS)


@pytest.fixture
def command(monkeypatch, capfd, tmp_path, log, shelf, pipeline_text):
    """Run `streamapp rollout …`: status, what it prints with ids and trailing blanks gone, and what it complains."""
    (tmp_path / "pipeline.yaml").write_text(pipeline_text)
    monkeypatch.setenv("STREAMAPP_PIPELINE", str(tmp_path / "pipeline.yaml"))

    def run(*arguments, obj=lambda settings, base: reach_to(log, shelf)):
        monkeypatch.setattr(sys, "argv", ["streamapp", "rollout", *arguments])
        with pytest.raises(SystemExit) as ended:
            main(obj)
        said = capfd.readouterr()
        return int(ended.value.code or 0), _plain(said.out), said.err.replace(f"{tmp_path}/", "")

    return run


def _plain(text):
    masked = re.sub(r"\b[0-9a-f]{12}\b", "0123456789ab", text)
    return "".join(f"{line.rstrip()}\n" for line in masked.splitlines())


def test_a_good_version_is_followed_to_its_promotion(command, log):
    log.leads, log.evidence = True, GOOD
    assert command("start", "fraud", "--to", "2", *CANARY, "--wait", "--reason", "retrained") == (
        0,
        "2023-11-14T22:13:20.000Z  ann@host  start 0123456789ab to 2: setWeight 10; analysis 2 x 5s; setWeight 50; "
        "analysis 2 x 5s; setWeight 100  retrained\n"
        "2023-11-14T22:13:20.000Z  w1  loaded  every worker has loaded it\n"
        "2023-11-14T22:13:25.000Z  w1  step 2, look 1: Successful  successCondition met: log_loss < champion_log_loss "
        "(champion_log_loss = 0.5, log_loss = 0.4)\n"
        "2023-11-14T22:13:30.000Z  w1  step 2, look 2: Successful  successCondition met: log_loss < champion_log_loss "
        "(champion_log_loss = 0.5, log_loss = 0.4)\n"
        "2023-11-14T22:13:35.000Z  w1  step 4, look 1: Successful  successCondition met: log_loss < champion_log_loss "
        "(champion_log_loss = 0.5, log_loss = 0.4)\n"
        "2023-11-14T22:13:40.000Z  w1  step 4, look 2: Successful  successCondition met: log_loss < champion_log_loss "
        "(champion_log_loss = 0.5, log_loss = 0.4)\n"
        "rollout 0123456789ab of fraud to version 2: promoted (all steps are through)\n",
        "",
    )
    assert command("status")[:2] == (
        0,
        "fraud\n"
        "  serves   champion 2 (100 %), champion-canary 1 (0 %)\n"
        "  rollout  0123456789ab to version 2, by ann@host at 2023-11-14T22:13:20.000Z\n"
        "  status   promoted\n"
        "  because  all steps are through\n"
        "  weight   100 % of the model's keys, shadow 0 %\n",
    )


def test_who_waits_for_a_promotion_waits_for_its_alias_too(command, log):
    log.leads, log.notes, log.evidence = True, True, GOOD
    status, out, _ = command("start", "fraud", "--to", "2", *CANARY, "--wait")
    assert status == 0
    assert out.splitlines()[-2:] == [
        "2023-11-14T22:13:40.000Z  w1  alias  champion -> 2",
        "rollout 0123456789ab of fraud to version 2: promoted (all steps are through)",
    ]


def test_a_bad_version_is_taken_back_with_status_1(command, log):
    log.leads, log.evidence = True, {**GOOD, "log_loss": 0.7}
    status, out, err = command("start", "fraud", "--to", "2", *CANARY, "--wait")
    assert (status, err) == (1, "")
    assert out.splitlines()[-1] == (
        "rollout 0123456789ab of fraud to version 2: aborted (step 2: successCondition not met: log_loss < "
        "champion_log_loss (champion_log_loss = 0.5, log_loss = 0.7))"
    )


def test_what_waits_for_a_person_ends_with_status_3(command, log):
    log.leads = True
    status, out, _ = command("start", "fraud", "--to", "2", "--strategy", "ab", "--weights", "20", "--wait")
    assert status == 3
    assert out.splitlines()[-2:] == [
        "rollout 0123456789ab of fraud to version 2: progressing, 2/2 pause until resumed",
        "it waits for a person: streamapp rollout resume|promote|abort fraud",
    ]
    assert command("status", "--watch")[0] == 3
    assert command("promote", "fraud")[0] == 0
    assert command("status", "fraud", "--watch")[0] == 0


@pytest.mark.parametrize("flags", [(), ("--weights", "10"), ("--file", "absent.yaml", "--weights", "10")])
def test_a_version_that_is_not_there_is_told_before_how_to_get_there(command, flags):
    status, out, err = command("start", "fraud", "--to", "nope", *flags)
    assert (status, out) == (1, "")
    assert err == "streamapp: unknown_version: model `fraud` has no version or alias nope\n"


@pytest.mark.parametrize("version", ["1", "2", "@challenger"])
def test_a_version_that_is_there_needs_a_way(command, version):
    status, _, err = command("start", "fraud", "--to", version)
    assert status == 2
    assert "--weights is missing for canary" in err


@pytest.mark.parametrize("reference", ["@challenger", "challenger"])
def test_an_alias_is_the_version_that_it_points_to_when_the_rollout_starts(command, log, reference):
    status, out, err = command("start", "fraud", "--to", reference, *CANARY)
    assert (status, err) == (0, "")
    assert out == "rollout 0123456789ab of fraud to version 2: progressing, loading\n"
    assert log.state.rollouts["fraud"].version == "2"
    assert log.state.tenants["champion-canary"] == Tenant("champion", "2")


def test_who_does_not_wait_any_longer_gets_status_4_and_the_rollout_goes_on(command, log):
    waits = ("--wait", "--timeout", "20ms")
    assert command("start", "fraud", "--to", "2", "--weights", "10", "--pause", "1h", *waits) == (
        4,
        "2023-11-14T22:13:20.000Z  ann@host  start 0123456789ab to 2: setWeight 10; pause 1h\n"
        "rollout 0123456789ab of fraud to version 2: progressing, loading\n"
        "it goes on without being waited for: streamapp rollout status fraud --watch\n",
        "",
    )
    assert not log.state.rollouts["fraud"].over
    status, out, _ = command("status", "fraud", "--watch", "--timeout", "20ms", "--output", "json")
    assert (status, [json.loads(line)["status"] for line in out.splitlines()]) == (4, ["progressing"] * 2)
    log.leads = True
    assert command("status", "fraud", "--watch", "--timeout", "1m")[0] == 0


def test_what_became_of_the_alias_is_told(command, log):
    log.leads, log.evidence = True, GOOD
    command("start", "fraud", "--to", "2", *CANARY, "--wait")
    log.leads = False
    said = {"by": "w1", "at_ms": log.clock.now_ms(), "model": "fraud", "promotion": log.state.revision}
    log.write(Aliased(id="a1", **said, settled=False, reason="not moved: no route to host"))
    assert "  alias    not moved: no route to host; tried again\n" in command("status")[1]
    log.write(Aliased(id="a2", **said, settled=True, reason="champion -> 2, before 1"))
    assert command("status")[1].endswith("  alias    champion -> 2, before 1\n")
    assert json.loads(command("status", "--output", "json")[1])["promotion"]["settled"] is True
    assert [line[line.index("fraud") :] for line in command("history")[1].splitlines()[-2:]] == [
        "fraud  alias, to be tried again  not moved: no route to host",
        "fraud  alias  champion -> 2, before 1",
    ]


def test_without_evidence_it_waits_too(command, log):
    log.leads = True
    status, out, _ = command("start", "fraud", "--to", "2", *CANARY, "--wait")
    assert status == 3
    assert "paused, 2/5 analysis 2 x 5s, look 1 (step 2 is inconclusive: successCondition not met: log_loss" in out


def test_pause_resume_abort(command, log):
    assert command("start", "fraud", "--to", "2", "--weights", "10", "--pause", "1h") == (
        0,
        "rollout 0123456789ab of fraud to version 2: progressing, loading\n",
        "",
    )
    assert command("pause", "fraud", "--reason", "lunch")[:2] == (
        0,
        "rollout 0123456789ab of fraud to version 2: paused, loading (lunch)\n"
        "it waits for a person: streamapp rollout resume|promote|abort fraud\n",
    )
    assert command("pause", "fraud")[0] == 1
    assert command("resume", "fraud")[0] == 0
    assert command("abort", "fraud", "--reason", "second thoughts")[:2] == (
        0,
        "rollout 0123456789ab of fraud to version 2: aborted (second thoughts)\n",
    )
    status, out, err = command("promote", "fraud")
    assert (status, out) == (1, "")
    assert re.sub(r"\b[0-9a-f]{12}\b", "ID", err) == (
        "streamapp: control: rollout ID is over: aborted (second thoughts)\n"
    )


@pytest.fixture
def controlled(tmp_path, command, pipeline_text):
    """The pipeline file is one under control."""
    (tmp_path / "pipeline.yaml").write_text(pipeline_text + "control: {registry: models}\n")


@pytest.mark.usefixtures("controlled")
def test_an_older_file_is_declared_again(command, log):
    newer = {**log.state.declared, "other": DeclaredVariant("other", "else", "1", 1.0, 0.0)}
    log.write(Declare(id="c1", by="w2", at_ms=0, expects=1, variants=newer))
    said = (0, "fraud\n  serves   champion 1 (100 %), champion-canary 1 (0 %)\n"
               "  rollout  none since its variants were declared\n", "")  # fmt: skip
    for _ in range(2):
        assert command("declare") == said
    assert list(log.state.declared) == ["champion", "champion-canary"]
    assert len(log.records) == 3
    *_, last = command("history")[1].splitlines()
    assert last.endswith("ann@host  fraud       declare again champion fraud 1, champion-canary fraud 1")


@pytest.mark.usefixtures("controlled")
def test_declaring_a_file_ends_no_rollout(command, log):
    changed = {name: replace(each, version="7") for name, each in log.state.declared.items()}
    log.write(Declare(id="c1", by="w2", at_ms=0, expects=1, variants=changed))
    command("start", "fraud", "--to", "2", "--weights", "10", "--pause", "1h")
    status, out, err = command("declare")
    assert (status, out) == (1, "")
    assert "the pipeline file changes model `fraud` while rollout" in err


def test_the_history_has_what_was_refused_as_well(command, log):
    log.leads, log.evidence = True, GOOD
    command("start", "fraud", "--to", "2", *CANARY, "--wait")
    log.leads = False
    command("abort", "fraud")
    log.records.append((log.clock.now_ms(), b"{\x1b[31m"))
    status, out, _ = command("history")
    assert status == 0
    rows = out.splitlines()
    assert rows[:4] == [
        "0  2023-11-14T22:13:20.000Z  w1        fraud  declare champion fraud 1, champion-canary fraud 1",
        "1  2023-11-14T22:13:20.000Z  ann@host  fraud  start 0123456789ab to 2: setWeight 10; analysis 2 x 5s; "
        "setWeight 50; analysis 2 x 5s; setWeight 100",
        "2  2023-11-14T22:13:20.000Z  w1        fraud  loaded  every worker has loaded it",
        "3  2023-11-14T22:13:25.000Z  w1        fraud  step 2, look 1: Successful  successCondition met: log_loss < "
        "champion_log_loss (champion_log_loss = 0.5, log_loss = 0.4)",
    ]
    assert rows[-2] == (
        "7  2023-11-14T22:13:40.000Z  ann@host  fraud  abort  refused: rollout 0123456789ab is over: promoted (all "
        "steps are through)"
    )
    assert "not a command of this version of streamapp" in rows[-1]
    assert "\x1b" not in out
    assert len(command("history", "fraud")[1].splitlines()) == len(rows) - 1
    found = [json.loads(line) for line in command("history", "fraud", "--output", "json")[1].splitlines()]
    assert found[3]["command"]["evidence"] == GOOD
    assert found[-1]["refused"].startswith("rollout ")


def test_json_for_machines(command, log):
    begun = json.loads(command("start", "fraud", "--to", "2", *CANARY, "--output", "json")[1])
    assert (begun["status"], begun["where"], begun["steps"][0]) == (
        "progressing",
        "loading",
        {"type": "setWeight", "weight": 10.0},
    )
    found = json.loads(command("status", "--output", "json")[1])
    assert found["variants"] == [
        {"variant": "champion", "version": "1", "wiring": "champion", "share": 1.0, "shadow": 0.0},
        {"variant": "champion-canary", "version": "2", "wiring": "champion", "share": 0.0, "shadow": 0.0},
    ]
    assert found["rollout"]["by"] == "ann@host"


def test_what_others_wrote_does_not_steer_the_terminal(command, log):
    command("start", "fraud", "--to", "2", *CANARY)
    command("abort", "fraud", "--reason", "so\x1b[31m\nit is")
    for shown in (command("history"), command("status")):
        assert "so\\x1b[31m\\nit is" in shown[1]
        assert "\x1b" not in shown[1]


def test_two_rollouts_at_once(command):
    assert command("start", "fraud", "--to", "2", *CANARY)[0] == 0
    status, out, err = command("start", "fraud", "--to", "2", *CANARY)
    assert (status, out) == (1, "")
    assert re.sub(r"\b[0-9a-f]{12}\b", "ID", err) == (
        "streamapp: control: rollout ID of `fraud` to version 2 is under way, started by ann@host: abort or promote "
        "it first\n"
    )


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("start", "frod", "--to", "2", *CANARY), 1, "control: no variant of the pipeline serves model `frod`"),
        (("start", "fraud", "--to", "9", *CANARY), 1, "unknown_version: model `fraud` has no version or alias 9"),
        (("start", "fraud", "--to", "@best", *CANARY), 1, "unknown_version: model `fraud` has no version or alias @b"),
        (("start", "fraud", "--to", "@champion", *CANARY), 1, "control: version 1 of `fraud` answers already"),
        (("start", "fraud", "--to", "@@a", *CANARY), 2, "config: --to: "),
        (
            ("start", "fraud", "--to", "2", *CANARY, "--timeout", "1m"),
            2,
            "config: --timeout has no meaning without --wait",
        ),
        (("status", "fraud", "--timeout", "1m"), 2, "config: --timeout has no meaning without --watch"),
        (("status", "fraud", "--watch", "--timeout", "soon"), 2, "config: --timeout: `soon` is no duration"),
        (("status", "fraud", "--watch", "--timeout", "0s"), 2, "config: --timeout: must be greater than 0"),
        (("start", "fraud", "--to", "3", *CANARY), 1, "model_contract: version 3 of `fraud` takes 3 columns"),
        (("start", "fraud", "--to", "1", *CANARY), 1, "control: version 1 of `fraud` answers already"),
        (
            ("start", "fraud", "--to", "2", *CANARY, "--like", "champ"),
            2,
            "config: --like: model `fraud` has no variant",
        ),
        (("start", "fraud", *CANARY), 2, "config: which rollout?"),
        (
            ("start", "fraud", "--to", "2", "--file", "x.yaml", "--pause", "1s"),
            2,
            "config: --file and --pause are both",
        ),
        (("start", "fraud", "--to", "2", "--weights", "110", "--pause", "1s"), 2, "config: --weights: must be at most"),
        (("start", "fraud", "--to", "2", "--strategy", "magic"), 2, "Usage: "),
        (("abort", "fraud"), 1, "control: model `fraud` has no rollout since its variants were declared"),
        (("abort", "frod"), 1, "control: no variant of the pipeline serves model `frod`; models: fraud"),
        (("status", "frod"), 1, "control: no variant of the pipeline serves model `frod`; models: fraud"),
        (("history", "frod"), 1, "control: no variant of the pipeline serves model `frod`; models: fraud"),
        (("status", "--set", "metrics.prot=1"), 2, "config: --set metrics.prot: unknown key"),
    ],
)
def test_what_cannot_be_is_refused(command, log, arguments, status, said):
    before = log.state
    found, out, err = command(*arguments)
    assert (found, out) == (status, "")
    assert err.removeprefix("streamapp: ").startswith(said)
    assert log.state == before


def test_a_file_s_errors_have_lines(command, tmp_path):
    (tmp_path / "rollout.yaml").write_text("strategy:\n  canary:\n    steps: [{setWieght: 10}]\n")
    assert command("start", "fraud", "--to", "2", "-f", str(tmp_path / "rollout.yaml")) == (
        2,
        "",
        "streamapp: config: rollout.yaml:3:14: strategy.canary.steps[0].setWieght: unknown key\n"
        "  -> did you mean `setWeight`?\n",
    )


def test_a_file_begins_a_rollout(command, log, tmp_path):
    (tmp_path / "rollout.yaml").write_text('model: fraud\nto: "2"\nstrategy:\n  bandit: {interval: 1m, count: 9}\n')
    log.leads, log.rewards = True, (Rewards(100, 90, 90), Rewards(100, 10, 10))
    status, out, _ = command("start", "-f", str(tmp_path / "rollout.yaml"), "--wait")
    assert status == 0
    assert "step 2, look 1: weight 95  1.5e+07 to 1 that the candidate is better, " in out
    assert "100 to 1 decides (mean label 0.9 of 100, champion 0.1 of 100)\n" in out


def test_a_pipeline_that_is_not_under_control(command):
    status, _, err = command("status", obj=None)
    assert status == 2
    assert err.startswith("streamapp: config: pipeline `payments` is not under control: ")
    assert "-> add `control: {registry: models}`" in err


def test_nobody_has_joined_yet(command, log):
    log.records.clear()
    for arguments in (("status",), ("start", "fraud", "--to", "2", *CANARY)):
        status, _, err = command(*arguments)
        assert status == 1
        assert "no worker has declared its variants yet: start one with `streamapp run`" in err


def test_a_log_that_is_lost_while_following(command, log):
    log.write(
        Start(
            id="r",
            by="bob",
            at_ms=0,
            expects=log.state.models["fraud"],
            model="fraud",
            version="2",
            tenant=Tenant("champion", "2"),
            steps=(SetWeight(10), Wait(5)),
        )
    )
    log.leads, log.dies_at = True, 2
    status, _, err = command("status", "fraud", "--watch")
    assert (status, err) == (1, "streamapp: model_load: the log is gone\n")
