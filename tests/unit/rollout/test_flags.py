import pytest

from streamapp.act.steps import Analyse, Explore, SetShadow, SetWeight, Step, Wait
from streamapp.errors import ConfigError
from streamapp.rollout.flags import Flags, rollout_of
from streamapp.rollout.strategies import steps_of

KNOWN = frozenset({"error_rate", "log_loss"})
LOOKS = {"interval": "5s", "count": 6, "failure": "error_rate > 0.01"}
LOOKED = Analyse(5, 6, None, "error_rate > 0.01")


def steps(**said) -> tuple[Step, ...]:
    return steps_of(rollout_of(Flags(**said), "m", "2", KNOWN).strategy)


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ({"weights": "10, 50,100", "pause": "30s"}, (SetWeight(10), Wait(30), SetWeight(50), Wait(30), SetWeight(100))),
        ({"weights": "10", "shadow": 50, **LOOKS}, (SetShadow(50), SetWeight(10), LOOKED)),
        ({"weights": "10", "pause": "1m", **LOOKS}, (SetWeight(10), Wait(60), LOOKED)),
        (
            {**LOOKS, "weights": "10", "success": "log_loss < 1", "failure_limit": 1, "inconclusive_limit": 2},
            (SetWeight(10), Analyse(5, 6, "log_loss < 1", "error_rate > 0.01", 1, 2)),
        ),
        ({"strategy": "blueGreen"}, (SetWeight(100),)),
        ({"strategy": "blueGreen", **LOOKS}, (SetShadow(100), LOOKED, SetShadow(0), SetWeight(100))),
        ({"strategy": "shadow", **LOOKS}, (SetShadow(100), LOOKED, SetShadow(0))),
        (
            {"strategy": "shadow", "shadow": 20, "weights": "10", **LOOKS},
            (SetShadow(20), LOOKED, SetShadow(0), SetWeight(10), LOOKED),
        ),
        ({"strategy": "ab"}, (SetWeight(50), Wait())),
        ({"strategy": "ab", "weights": "20", "pause": "2h"}, (SetWeight(20), Wait(7200), Wait())),
        ({"strategy": "bandit", "interval": "1m", "count": 9}, (SetWeight(5), Explore(60, 9))),
    ],
)
def test_flags_are_steps(said, meant):
    assert steps(**said) == meant


HOW = "\n  -> as in --weights 10,50,100 --interval 30s --count 10 --failure 'error_rate > 0.01'; or give --file"


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ({}, f"--weights is missing for canary{HOW}"),
        ({"weights": "10", "success": "log_loss < 1"}, f"--interval is missing for canary with an analysis{HOW}"),
        ({"strategy": "bandit"}, f"--interval is missing for bandit{HOW}"),
        (
            {"strategy": "bandit", "weights": "10"},
            "--weights has no meaning for bandit\n  -> it takes --count, --interval; a file says more",
        ),
        (
            {"weights": "10,ten", "pause": "1s"},
            "--weights: must be a number, but is `ten`\n"
            "  -> meaning: Share of the model's keys that the candidate answers. Per cent.",
        ),
        (
            {"weights": "10,20", "pause": "soon"},
            "--pause: must be a duration such as 500ms, 30s, 5m or 1h30m, or a number of seconds, but is `soon`\n"
            "  -> meaning: How long; until somebody resumes if absent.",
        ),
        (
            {"weights": "10,20", "interval": "1s", "count": 2, "failure": "eror_rate > 1"},
            "--failure: condition `eror_rate > 1`: no evidence is called `eror_rate`; there is error_rate, log_loss\n"
            "  -> did you mean `error_rate`?",
        ),
        (
            {"weights": "10", "interval": "1s", "count": 2},
            f"--failure is missing for canary with an analysis{HOW}",
        ),
        ({"weights": "10"}, f"--pause is missing for canary{HOW}"),
    ],
)
def test_what_is_wrong_is_said_under_the_flag_s_name(said, problem):
    with pytest.raises(ConfigError) as refused:
        steps(**said)
    assert str(refused.value) == problem


def test_a_version_is_a_name():
    with pytest.raises(ConfigError, match=r"--to: `\.\./2` does not match"):
        rollout_of(Flags(weights="10", pause="1s"), "m", "../2", KNOWN)
